"""The user's own images for the demo."""

from pathlib import Path

from backend.demo.errors import DemoSetupError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")  # what a browser shows and Pillow reads
FEWEST = 2  # one to paint on, one to predict


def image_files(folder: Path) -> list[Path]:
    """The images in *folder*, by name, without its subfolders.

    Raises:
        DemoSetupError: it is no folder, or holds fewer than two images.
    """
    if not folder.is_dir():
        raise DemoSetupError(f"{folder} is no folder; IMAGES must name a folder with images")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if len(files) < FEWEST:
        raise DemoSetupError(
            f"{folder} holds {len(files)} images, and at least {FEWEST} are needed: one to paint on, "
            f"the others to predict. Images end in {', '.join(SUFFIXES)}"
        )
    return files
