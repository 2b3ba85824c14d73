"""Claims about the demo images."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from backend.demo.coins import COIN_COUNTS, DemoImage, demo_images, reference_mask


@pytest.fixture(scope="module")
def images() -> list[DemoImage]:
    return demo_images()


def test_each_crop_holds_as_many_coins_as_the_demo_expects(images: list[DemoImage]) -> None:
    assert {image.name: len(image.masks) for image in images} == COIN_COUNTS


def test_no_coin_is_cut(images: list[DemoImage]) -> None:
    """A mask that touches the border of its crop would be half a coin."""
    for image in images:
        for mask in image.masks:
            assert not np.any([mask[0].any(), mask[-1].any(), mask[:, 0].any(), mask[:, -1].any()]), (
                image.name
            )


def test_one_crop_is_bare_background(images: list[DemoImage]) -> None:
    assert [image.name for image in images if not image.masks] == ["coins-8"]


def test_no_crop_is_square(images: list[DemoImage]) -> None:
    """Swapped axes must show."""
    assert [image.name for image in images if image.image.shape[0] == image.image.shape[1]] == []


def test_the_reference_mask_is_one_coin_of_median_area(images: list[DemoImage]) -> None:
    areas = sorted(int(mask.sum()) for mask in images[0].masks)

    assert int(reference_mask(images[0]).sum()) == areas[1]


def test_the_png_is_the_crop(images: list[DemoImage]) -> None:
    assert np.array_equal(np.asarray(Image.open(BytesIO(images[0].png()))), images[0].image)
