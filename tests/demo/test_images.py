"""Claims about the user's own images."""

from pathlib import Path

import pytest

from backend.demo.errors import DemoSetupError
from backend.demo.images import image_files


def test_images_are_taken_by_name_and_other_files_left(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt"):
        (tmp_path / name).touch()

    assert [path.name for path in image_files(tmp_path)] == ["a.png", "b.JPG"]


def test_one_image_is_not_enough(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()

    with pytest.raises(DemoSetupError, match="holds 1 images, and at least 2 are needed"):
        image_files(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DemoSetupError, match="is no folder"):
        image_files(tmp_path / "missing")
