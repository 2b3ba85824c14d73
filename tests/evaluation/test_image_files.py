"""Image files and what is said about bad ones."""

from pathlib import Path

import pytest
from PIL import Image

from backend.evaluation.errors import ImageFileError
from backend.evaluation.image_files import read_image
from backend.labelstudio.images import ImageLimits


def test_images_come_as_they_are_shown(tmp_path: Path) -> None:
    """EXIF orientation 6: stored lying on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)

    assert read_image(tmp_path / "a.jpg").shape == (40, 20, 3)


@pytest.mark.parametrize("content", [b"", b"text", b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)

    with pytest.raises(ImageFileError, match=r"a\.jpg"):
        read_image(tmp_path / "a.jpg")


def test_missing_files_folders_and_too_many_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"0" * 100)

    with pytest.raises(ImageFileError, match=r"gone\.jpg: cannot be read: No such file"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageFileError, match="cannot be read: Is a directory"):
        read_image(tmp_path)
    with pytest.raises(ImageFileError, match="100 bytes, at most 99 are read"):
        read_image(tmp_path / "a.jpg", limits=ImageLimits(max_bytes=99))
