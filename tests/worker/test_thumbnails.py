"""The pictures of the status page: they show the image, and where the masks lie."""

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from backend.jobs.pictures import MOST_BYTES
from backend.vision.instance import Instance, mask_window
from backend.worker.thumbnails import LONGEST_SIDE, Thumbnailer, reference_picture

GREY = 120


def pixels(picture: bytes) -> NDArray[np.int16]:
    """The decoded picture, (H, W, 3)."""
    image = Image.open(BytesIO(picture))
    assert image.format == "JPEG"
    return np.asarray(image.convert("RGB"), dtype=np.int16)


def coloured(picture: bytes) -> NDArray[np.bool_]:
    """Where the picture of a grey image shows colour, (H, W) bool."""
    shown = pixels(picture)
    return np.asarray(shown.max(axis=-1) - shown.min(axis=-1) > 30)


def grey(height: int, width: int) -> NDArray[np.uint8]:
    """A grey image."""
    return np.full((height, width, 3), GREY, np.uint8)


def box(size_hw: tuple[int, int], top: int, left: int, bottom: int, right: int) -> NDArray[np.bool_]:
    """A mask that is a rectangle."""
    mask = np.zeros(size_hw, dtype=np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def instance(label: str, mask: NDArray[np.bool_]) -> Instance:
    """An instance with that mask."""
    return Instance(label, mask_window(mask), confidence=0.9, similarity=0.9)


@pytest.mark.parametrize("size_hw", [(900, 1600), (1600, 900), (5000, 3700), (320, 100)])
def test_masks_lie_where_they_lie_in_the_image(size_hw: tuple[int, int]) -> None:
    """A quarter off the middle, so that swapped axes or another scale show."""
    height, width = size_hw
    mask = box(size_hw, height // 8, width // 2, height // 4, width)

    seen = coloured(reference_picture(grey(*size_hw), [mask]))

    h, w = seen.shape
    assert max(h, w) == LONGEST_SIDE
    assert h / w == pytest.approx(height / width, rel=0.02)
    expected = box((h, w), h // 8, w // 2, h // 4, w)
    assert (seen & expected).sum() / (seen | expected).sum() > 0.85


def test_a_small_image_is_not_enlarged() -> None:
    assert pixels(reference_picture(grey(30, 50), [])).shape == (30, 50, 3)


def test_each_label_has_a_colour_of_its_own() -> None:
    first, second = box((60, 90), 5, 5, 30, 30), box((60, 90), 30, 50, 55, 85)

    picture = Thumbnailer().found(grey(60, 90), [instance("Nut", first), instance("Bolt", second)])

    assert picture is not None
    shown = pixels(picture)
    assert np.abs(shown[17, 17] - shown[42, 67]).max() > 60


def test_finding_nothing_is_drawn_as_the_bare_image() -> None:
    picture = Thumbnailer().found(grey(60, 90), [])

    assert picture is not None
    assert not coloured(picture).any()


def test_a_mask_smaller_than_a_pixel_of_the_picture_is_no_error() -> None:
    mask = box((3200, 3200), 1001, 1001, 1003, 1003)

    assert pixels(reference_picture(grey(3200, 3200), [mask])).shape == (320, 320, 3)


def test_a_run_faster_than_anybody_can_look_draws_few_pictures() -> None:
    slow, fast = Thumbnailer(least_pause_s=0), Thumbnailer(least_pause_s=3600)

    assert all(slow.found(grey(30, 50), []) for _ in range(3))
    assert [fast.found(grey(30, 50), []) is not None for _ in range(3)] == [True, False, False]


def test_even_noise_fits_into_the_bound_of_what_is_kept() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), dtype=np.uint8)

    assert len(reference_picture(noise, [])) < MOST_BYTES
