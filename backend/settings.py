"""Every knob, typed and bounded: the only reader of the environment.

Only the composition roots (the command line, the web process, the worker) construct ``Settings``. Below them,
functions take the plain values they need.
"""

from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The environment of one process. Field names are the environment variables, in lower case."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")

    label_studio_url: str = Field(
        default="http://localhost:8080",
        pattern=r"^https?://[^\s/]+(/\S*)?$",
        description="Label Studio's address as the worker reaches it",
    )
    label_studio_api_key: SecretStr = Field(
        default=SecretStr(""),
        description="a personal access token or a legacy token of the user who pushes predictions",
    )
    label_studio_public_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s/]+(/\S*)?)?$",
        description="Label Studio's address as browsers reach it, for links, and to know its own addresses "
        "in tasks; unset: what it says of itself",
    )
    redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        pattern=r"^(rediss?|unix)://\S+$",
        description="the queue (Redis 5 or Valkey 7.2 up)",
    )
    oneshot_host: str = Field(default="0.0.0.0", description="address the web process listens on")  # noqa: S104
    oneshot_port: int = Field(default=9090, ge=1, le=65535, description="port the web process listens on")
    oneshot_basic_auth_user: str = Field(
        default="", description="user name asked for on every page; empty: no auth"
    )
    oneshot_basic_auth_password: SecretStr = Field(
        default=SecretStr(""), description="password that goes with it"
    )
    oneshot_cache: Path = Field(
        default_factory=lambda: platformdirs.user_cache_path("label-studio-oneshot"),
        description="folder for model weights and embeddings of images",
    )
    oneshot_cache_bytes: int = Field(
        default=4_000_000_000,
        ge=0,
        description="most bytes of embeddings that the workers of a host keep, 240 images a GB; 0: none",
    )
    oneshot_sam: str = Field(
        default="mobilesam",
        min_length=1,
        description="`mobilesam`, or a transformers SAM checkpoint: hub id or folder",
    )
    oneshot_semantics: str = Field(
        default="efficientnet-lite0",
        min_length=1,
        description="the semantic encoder: `efficientnet-lite0`, `sam` for SAM's own features, or a "
        "transformers checkpoint (CLIP, SigLIP, DINOv2, ViT, ...): hub id or folder",
    )
    oneshot_search: Literal["loop", "sweep"] = Field(
        default="sweep",
        description="`sweep`: all labels at once; `loop`: PerSAM's steps for one object after the other",
    )
    oneshot_guidance: Literal["none", "hf", "exact"] = Field(
        default="hf",
        description="the loop's target-guided attention: off, as transformers has it, or as published",
    )
    oneshot_fine_tuned: bool = Field(
        default=False, description="the loop predicts as PerSAM-F: mask weights fitted on the reference"
    )
    oneshot_min_similarity: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="least semantic similarity of an instance; unset: follows from the reference",
    )
    oneshot_max_instances: int = Field(
        default=300, ge=1, le=5000, description="bound on places that are looked at per image or tile"
    )
    oneshot_max_tiles: int = Field(
        default=9, ge=1, le=64, description="bound on tiles of an image whose objects are small"
    )
    oneshot_learning: Literal["auto", "manual", "never"] = Field(
        default="auto",
        description="when corrected predictions teach: `auto`: after the 1st, 2nd, 4th, 8th ... and on "
        "demand; `manual`: on demand; `never`",
    )
    oneshot_max_evidence: int = Field(
        default=32,
        ge=1,
        le=500,
        description="bound on the corrected tasks that one generation learns from, and on their images where "
        "one Image shows many",
    )
    oneshot_max_references: int = Field(
        default=1,
        ge=1,
        le=20,
        description="bound on the references of one label: the one shot, further annotations with a "
        "ground-truth star, and corrected tasks that look different",
    )
    oneshot_sampling: Literal["leave", "sequential", "uncertainty"] = Field(
        default="leave",
        description="the order in which Label Studio hands out tasks: `leave` it as the project has it; "
        "`uncertainty`: the least sure predictions first; `sequential`",
    )
    oneshot_stale_s: int = Field(
        default=14_400,
        ge=0,
        le=7 * 24 * 3600,
        description="seconds after a run until older predictions of its tasks are removed: Label Studio "
        "refuses to store what somebody has made of a removed one",
    )
    oneshot_control: str = Field(
        default="",
        description="the control that predictions go through, by name or tag (`PolygonLabels`); empty: the "
        "one that the reference was drawn with",
    )
    oneshot_polygon_tolerance: float = Field(
        default=1.0, ge=0, le=100, description="pixels that a polygon may be from its mask's edge"
    )
    oneshot_max_regions: int = Field(
        default=100, ge=1, le=10_000, description="bound on brush and bitmask regions of one task"
    )
    oneshot_beyond_max_regions: Literal["polygons", "merged"] = Field(
        default="polygons",
        description="what becomes of more: `polygons`, if the label config has them, or else one `merged` "
        "mask for each label",
    )
    oneshot_interactive: Literal["thing", "similar", "off"] = Field(
        default="thing",
        description="what smart tools bring: the `thing` that is pointed at; `similar`: all that looks like "
        "it, too; `off`: nothing",
    )
    oneshot_interactive_s: float = Field(
        default=10, ge=0.1, le=60, description="seconds to wait for a worker when somebody uses a smart tool"
    )
    oneshot_device: str = Field(
        default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="where the models run"
    )
    oneshot_precision: Literal["auto", "float32", "bfloat16", "float16", "int8", "int8-bfloat16"] = Field(
        default="auto",
        description="numbers that the networks compute with; `auto`: what the device is measured to be fast "
        "with when a process starts; `float16` on GPUs only, `int8` and `int8-bfloat16` on CPUs only",
    )
    oneshot_compile: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="on a GPU, let torch compile the image encoder of a transformers SAM when a worker "
        "starts; `auto`: if that makes it faster",
    )
    oneshot_threads: int = Field(
        default=0, ge=0, le=256, description="CPU threads of one worker; 0: all cores"
    )
    oneshot_tasks_per_job: int = Field(
        default=16, ge=1, le=64, description="most tasks that one job predicts; fewer where they take long"
    )
    oneshot_task_timeout_s: int = Field(
        default=600,
        ge=10,
        le=24 * 3600,
        description="seconds that the prediction of one task may take, or of one of its images",
    )
    oneshot_max_memory: int = Field(
        default=0, ge=0, description="bytes of memory at which a worker ends; its job is tried again; 0: any"
    )
    oneshot_stop_s: int = Field(
        default=60, ge=1, le=3600, description="seconds for the task in hand when workers are asked to stop"
    )
    oneshot_warm_up: bool = Field(
        default=True, description="embed the images of a project that has no reference yet"
    )
    oneshot_reconcile_s: int = Field(
        default=600,
        ge=0,
        le=24 * 3600,
        description="seconds between two looks at all projects for what was missed; 0: never",
    )
    oneshot_fetch_timeout_s: float = Field(
        default=30, gt=0, le=600, description="seconds to wait for an image or for Label Studio"
    )
    oneshot_private_hosts: str = Field(
        default="",
        description="servers with images in the private network: names, addresses or networks, by commas",
    )
    oneshot_max_image_bytes: int = Field(
        default=64 * 2**20, ge=2**10, description="largest image file, in bytes"
    )
    oneshot_max_image_side: int = Field(
        default=16_384, ge=64, description="longest side of an image, in pixels"
    )
    oneshot_max_image_pixels: int = Field(default=100_000_000, ge=4096, description="most pixels of an image")
    oneshot_log_format: Literal["text", "json"] = Field(
        default="text", description="`text`: lines for people; `json`: one object a line"
    )
    oneshot_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="what goes to the log"
    )

    @property
    def of_jobs(self) -> dict[str, int]:
        """What every process tells its ``JobQueue``: jobs must come out alike, whoever queues them."""
        return {"tasks_per_job": self.oneshot_tasks_per_job, "task_timeout_s": self.oneshot_task_timeout_s}
