"""What surrounds the search in ``oneshot segment``: names, colours, references."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.evaluation.errors import ImageFileError, MaskFileError
from backend.evaluation.predictions import Predicted
from backend.evaluation.rle import decode
from backend.evaluation.segment import (
    ReferenceFile,
    label_colours,
    overlay_names,
    read_shots,
    segment_files,
)
from backend.labelstudio.images import ImageLimits
from backend.vision.pipeline import SearchOptions
from tests.colour_sam import RED, box_mask, colour_models, drawn
from tests.mask_matching import matched_ious


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A reference image of 20 x 40 with masks of one and of two instances."""
    Image.new("RGB", (40, 20), (200, 100, 50)).save(tmp_path / "image.png")
    ids = np.zeros((20, 40), dtype=np.uint8)
    ids[:10, :10], ids[10:, 20:] = 1, 2
    Image.fromarray(ids).save(tmp_path / "two.png")
    Image.fromarray((ids == 1).astype(np.uint8)).save(tmp_path / "one.png")
    return tmp_path


def test_overlays_of_equal_stems_do_not_overwrite_each_other() -> None:
    images = [Path(name) for name in ("a/x.jpg", "b/x.jpg", "b/X.png", "x-2.jpg", "y.tar.png")]

    assert overlay_names(images) == ["x.png", "x-2.png", "X-3.png", "x-2-2.png", "y.tar.png"]


def test_masks_of_one_image_and_label_are_one_shot(files: Path) -> None:
    image = files / "image.png"

    shots = read_shots(
        [
            ReferenceFile(image, files / "two.png", "fig"),
            ReferenceFile(image, files / "one.png", "fig"),
            ReferenceFile(image, files / "one.png", "date"),
        ],
        limits=ImageLimits(),
    )

    assert [(shot.label, len(shot.masks)) for shot in shots] == [("fig", 3), ("date", 1)]
    assert shots[0].colour != shots[1].colour


def test_large_jpegs_are_segmented_in_their_own_pixels(tmp_path: Path) -> None:
    """Both are decoded at half of their 80 x 127 pixels; the masks are not."""
    first, second = (2, 4, 24, 24), (14, 36, 24, 24)
    image = drawn((*first, RED), (*second, RED)).repeat(2, axis=0).repeat(2, axis=1)[:, :127]
    Image.fromarray(image).save(tmp_path / "coins.jpg", quality=95, subsampling=0)
    mask = box_mask(*first).repeat(2, axis=0).repeat(2, axis=1)[:, :127]
    Image.fromarray(mask.astype(np.uint8)).save(tmp_path / "mask.png")
    limits, models = ImageLimits(enough_side=60), colour_models()
    shots = read_shots([ReferenceFile(tmp_path / "coins.jpg", tmp_path / "mask.png", "coin")], limits=limits)

    (found,) = segment_files(
        *(models, shots, [tmp_path / "coins.jpg"], tmp_path / "out"), options=SearchOptions(), limits=limits
    )

    assert (shots[0].image.shape, shots[0].masks[0].shape) == ((40, 64, 3), (40, 64))
    assert isinstance(found, Predicted)
    assert found.size_hw == (80, 127)
    masks = [decode(one.rle) for one in found.found]
    assert [one.shape for one in masks] == [(80, 127)] * 2
    assert matched_ious(masks, [mask])[0] > 0.97


def test_one_label_keeps_one_colour_however_often_it_is_named() -> None:
    assert len(label_colours(["fig", "fig"])) == 1
    assert len(set(label_colours(["fig", "date", "fig", "nut"]).values())) == 3


def test_a_reference_that_cannot_be_used_is_named(files: Path) -> None:
    def read(image: str, mask: str) -> None:
        read_shots([ReferenceFile(files / image, files / mask, "fig")], limits=ImageLimits(max_side=64))

    Image.new("L", (20, 40), 1).save(files / "turned.png")

    with pytest.raises(ImageFileError, match=r"gone\.jpg: cannot be read: No such file"):
        read("gone.jpg", "one.png")
    with pytest.raises(MaskFileError, match=r"gone\.png: no such file"):
        read("image.png", "gone.png")
    with pytest.raises(MaskFileError, match="the mask is 20 x 40 pixels, its image 40 x 20"):
        read("image.png", "turned.png")
