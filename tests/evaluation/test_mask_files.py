"""Which pixels of a mask file are which instance."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from backend.evaluation.errors import MaskFileError
from backend.evaluation.mask_files import read_masks


def boxes(*boxes_xyxy: tuple[int, int, int, int], values: tuple[int, ...]) -> NDArray[np.uint8]:
    """Filled boxes of the given values in 30 x 50."""
    canvas = np.zeros((30, 50), dtype=np.uint8)
    for (left, top, right, bottom), value in zip(boxes_xyxy, values, strict=True):
        canvas[top:bottom, left:right] = value
    return canvas


TWO = boxes((2, 2, 10, 10), (20, 5, 30, 25), values=(1, 7))


def areas(path: Path) -> list[int]:
    """Pixels of each instance, by ascending value."""
    return [int(mask.sum()) for mask in read_masks(path, size_hw=(30, 50))]


def test_each_value_above_zero_is_an_instance(tmp_path: Path) -> None:
    Image.fromarray(TWO).save(tmp_path / "mask.png")

    masks = read_masks(tmp_path / "mask.png", size_hw=(30, 50))

    assert [mask.sum() for mask in masks] == [64, 200]
    assert np.argwhere(masks[1]).min(axis=0).tolist() == [5, 20]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_luminance_counts_where_alpha_does_not_vary(tmp_path: Path, mode: str) -> None:
    Image.fromarray(TWO * 30).convert(mode).save(tmp_path / "mask.png")

    assert areas(tmp_path / "mask.png") == [64, 200]


def test_alpha_counts_where_it_varies(tmp_path: Path) -> None:
    """Black paint on a transparent layer: its luminance is 0 everywhere."""
    image = Image.new("RGBA", (50, 30), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((10, 10, 19, 19), fill=(0, 0, 0, 255))
    image.save(tmp_path / "mask.png")

    assert areas(tmp_path / "mask.png") == [100]


def test_a_palette_counts_by_index_whatever_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray(TWO).convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([255, 255, 255] + [0, 0, 0] * 255)
    image.save(tmp_path / "mask.png")

    assert areas(tmp_path / "mask.png") == [64, 200]


def test_one_bit_and_sixteen_bit_masks_are_read(tmp_path: Path) -> None:
    Image.fromarray(TWO > 0).save(tmp_path / "one.png")
    Image.fromarray(TWO.astype(np.uint16) * 1000).save(tmp_path / "sixteen.png")

    assert areas(tmp_path / "one.png") == [264]
    assert areas(tmp_path / "sixteen.png") == [64, 200]


def test_the_soft_edge_of_a_resized_mask_is_no_instance(tmp_path: Path) -> None:
    """Bilinear resizing leaves a rim of in-between greys; as instances they would be rings."""
    image = Image.new("L", (25, 15))
    ImageDraw.Draw(image).ellipse((4, 3, 15, 12), fill=255)
    image.resize((50, 30), Image.Resampling.BILINEAR).save(tmp_path / "mask.png")

    assert len(np.unique(np.asarray(Image.open(tmp_path / "mask.png")))) > 4
    assert len(areas(tmp_path / "mask.png")) == 1


def test_touching_instances_stay_two(tmp_path: Path) -> None:
    Image.fromarray(boxes((2, 2, 10, 10), (10, 2, 20, 10), values=(1, 2))).save(tmp_path / "mask.png")

    assert areas(tmp_path / "mask.png") == [64, 80]


def test_the_noise_of_a_jpeg_is_no_instance(tmp_path: Path) -> None:
    image = Image.new("L", (50, 30))
    ImageDraw.Draw(image).ellipse((10, 5, 30, 25), fill=255)
    image.save(tmp_path / "mask.jpg", quality=60)

    assert len(areas(tmp_path / "mask.jpg")) == 1


def test_a_turned_mask_is_turned_like_its_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(TWO)).save(tmp_path / "mask.png", exif=exif)

    assert read_masks(tmp_path / "mask.png", size_hw=(30, 50))[0][2:10, 2:10].all()


def test_an_empty_mask_is_refused(tmp_path: Path) -> None:
    Image.new("L", (50, 30)).save(tmp_path / "mask.png")

    with pytest.raises(MaskFileError, match="the mask is empty"):
        read_masks(tmp_path / "mask.png", size_hw=(30, 50))


def test_a_mask_of_another_size_is_refused_in_width_x_height(tmp_path: Path) -> None:
    Image.new("L", (30, 50), 1).save(tmp_path / "mask.png")

    with pytest.raises(MaskFileError, match="is 30 x 50 pixels, its image 50 x 30"):
        read_masks(tmp_path / "mask.png", size_hw=(30, 50))


def test_missing_and_unreadable_masks_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")

    with pytest.raises(MaskFileError, match=r"gone\.png: no such file"):
        read_masks(tmp_path / "gone.png", size_hw=(30, 50))
    with pytest.raises(MaskFileError, match=r"text\.png: cannot be read as an image"):
        read_masks(tmp_path / "text.png", size_hw=(30, 50))
