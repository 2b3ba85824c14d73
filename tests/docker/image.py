"""What `docker build` and `docker run` would do, in a folder: no container engine runs where the tests run.

The instructions of a Dockerfile are carried out one by one in a folder that stands for the container's root:
each `RUN` by a shell, with the very text of the file, in a Python environment that holds nothing else. Only
the paths at the root that the file itself names are moved into the folder.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
_OURS = re.compile(r"(ONESHOT_|LABEL_STUDIO_|REDIS_|HF_|PYTHON|VIRTUAL_ENV)")
_MOVED = re.compile(r"(?<![\w./])/(app|weights|tmp)\b")
_CONFINED = """
set -e
mount --bind /tmp /tmp
mount --bind "$0" "$0"
for volume in $VOLUMES; do mount --bind "$volume" "$volume"; done
mount -o remount,bind,ro "$0"
mount -o remount,bind,ro /
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""


@dataclass
class Image:
    """What a Dockerfile makes.

    Attributes:
        root: the folder that stands for the container's ``/``.
        environment: of its programs.
        workdir: where they start.
        command: what `docker run` starts.
        health: what its health check runs.
    """

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    workdir: Path = Path()
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    @property
    def site_packages(self) -> Path:
        """The folder that pip installs into."""
        return next(self.root.glob("venv/lib/python3*/site-packages"))

    def program(self, command: list[str]) -> list[str]:
        """Find the program of *command* on the image's own PATH."""
        found = shutil.which(command[0], path=self.environment["PATH"])
        if found is None:
            raise FileNotFoundError(f"expected {command[0]} in the image, got none")
        return [found, *command[1:]]

    def confined(self, command: list[str], volumes: list[Path]) -> list[str]:
        """Have *command* run without any capability, writing to /tmp and *volumes* alone."""
        script = _CONFINED.replace("$VOLUMES", " ".join(f"'{volume}'" for volume in volumes))
        return ["unshare", "--mount", "sh", "-c", script, str(self.root), *self.program(command)]

    def run(self, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one more program in the container."""
        return subprocess.run(
            self.program(command), env=self.environment | environment, cwd=self.workdir,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip


def build(
    dockerfile: str, root: Path, *, arguments: Mapping[str, str], installed: Path | None = None
) -> Image:
    """Carry out a Dockerfile, and return its last stage.

    Args:
        dockerfile: its name in docker/.
        root: an empty folder.
        arguments: build arguments, instead of the defaults in the file.
        installed: site-packages that are there already, so that what is in them is not installed again.
    """
    stages: dict[str, Image] = {}
    image = Image(root)
    for name, value in instructions((ROOT / "docker" / dockerfile).read_text()):
        if name == "FROM":
            image = _stage(root / str(len(stages)), value, installed)
            stages[value.split(" AS ")[-1]] = image
        elif name == "COPY":
            _copy(value, image, stages)
        elif name == "RUN":
            _run(value, image)
        else:
            _note(name, value, image, arguments)
    return image


def _note(name: str, value: str, image: Image, arguments: Mapping[str, str]) -> None:
    """Carry out an instruction that says something about the image."""
    match name:
        case "ARG":
            key, _, default = value.partition("=")
            image.environment[key] = arguments.get(key, default)
        case "ENV":
            image.environment |= dict(part.split("=", 1) for part in _moved(value, image).split())
        case "WORKDIR":
            image.workdir = Path(_moved(value, image))
            image.workdir.mkdir(parents=True, exist_ok=True)
        case "CMD":
            image.command = json.loads(value)
        case "HEALTHCHECK":
            image.health = json.loads(value.partition("CMD ")[2])
        case "USER" | "EXPOSE":
            pass
        case _:
            raise ValueError(f"expected an instruction that is known here, got {name}")


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and value of each instruction, continued lines joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for line in lines.replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, value = line.strip().partition(" ")
            yield name, value


def _stage(root: Path, base: str, installed: Path | None) -> Image:
    (root / "tmp").mkdir(parents=True)
    image = Image(root, {key: value for key, value in os.environ.items() if not _OURS.match(key)}, root)
    if base.startswith("python:"):
        subprocess.run([sys.executable, "-m", "venv", root / "venv"], check=True)
        image.environment["PATH"] = f"{root}/venv/bin:{image.environment['PATH']}"
        if installed is not None:
            (image.site_packages / "installed.pth").write_text(f"{installed}\n")
    return image


def _moved(value: str, image: Image) -> str:
    return _MOVED.sub(rf"{image.root}/\1", value)


def _copy(value: str, image: Image, stages: Mapping[str, Image]) -> None:
    origin = ROOT
    if value.startswith("--from="):
        stage, _, value = value.removeprefix("--from=").partition(" ")
        origin = stages[stage].root
    *sources, target = value.split()
    for source in sources:
        path = origin / source.lstrip("/")
        place = Path(_moved(target, image)) if target.startswith("/") else image.workdir / target
        if path.is_dir():
            shutil.copytree(path, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, place)


def _run(value: str, image: Image) -> None:
    """Run a RUN instruction; giving files to the image's user needs root, so elsewhere they stay ours."""
    command = _moved(value, image)
    if os.geteuid() != 0:
        command = f"chown() {{ :; }}; {command}"
    shell = ["sh", "-c", command]
    done = subprocess.run(
        shell, env=image.environment, cwd=image.workdir, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = f"{done.stdout[-2000:]}{done.stderr[-4000:]}"
        raise AssertionError(f"RUN {value}\nended with {done.returncode}:\n{said}")
