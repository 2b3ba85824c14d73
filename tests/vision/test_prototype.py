"""Prototypes: what one view of a reference image says."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from backend.vision.prototype import Prototype, build_prototype, reference_logits
from backend.vision.sam import to_grid
from backend.vision.semantics import CropEncoder
from tests.tiny_sam import SIDE, tiny_sam

SIZE = (38, 64)
IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
ENCODER = CropEncoder(lambda pixels: pixels, input_size=32)


def box(rows: slice, columns: slice) -> NDArray[np.bool_]:
    """A mask of the image's size."""
    mask = np.zeros(SIZE, dtype=np.bool_)
    mask[rows, columns] = True
    return mask


LEFT, RIGHT = box(slice(8, 24), slice(0, 16)), box(slice(8, 16), slice(40, 64))


def built(*masks: NDArray[np.bool_], image: NDArray[np.uint8] = IMAGE) -> Prototype:
    """A prototype of the whole image from the tiny SAM."""
    return build_prototype(ENCODER, image, masks, tiny_sam().embed(image), scale=1)


def weak(prototype: Prototype, *which: bool) -> Prototype:
    """The same, where these of its looks are weak and the others are not."""
    looks = [
        replace(look, semantic=replace(look.semantic, weak=one))
        for look, one in zip(prototype.looks, which, strict=True)
    ]
    return replace(prototype, looks=tuple(looks))


def test_the_size_is_the_mean_of_the_objects() -> None:
    """Two by two cells, and one by three: rows and columns must not be swapped."""
    assert built(LEFT).cells == pytest.approx(4, rel=0.05)
    assert built(RIGHT).cells == pytest.approx(3, rel=0.05)
    assert built(LEFT, RIGHT).cells == pytest.approx(3.5, rel=0.05)


def test_every_object_has_a_look_of_its_own() -> None:
    """In the order of the masks: what one alone looks like, it looks like among others."""
    image = IMAGE.copy()
    image[:, :32], image[:, 32:] = (250, 20, 20), (20, 20, 250)

    both = built(LEFT, RIGHT, image=image)

    alone = [built(mask, image=image).looks[0] for mask in (LEFT, RIGHT)]
    for look, one in zip(both.looks, alone, strict=True):
        assert torch.equal(look.semantic.vector, one.semantic.vector)
        assert torch.equal(look.colours, one.colours)
    assert float(both.looks[0].colours @ both.looks[0].colours) == pytest.approx(1)
    assert float(both.looks[0].colours @ both.looks[1].colours) == 0


def test_its_location_map_is_highest_on_the_objects() -> None:
    """All annotated objects are the thing: none of them is ground."""
    embedding = tiny_sam().embed(IMAGE)
    dense = ENCODER.dense(IMAGE, embedding)

    location = built(LEFT, RIGHT).location

    told = location.maps(embedding.features, dense, embedding.valid).likely
    coverage = to_grid(LEFT | RIGHT, embedding)
    assert float(told[coverage > 0.9].mean()) == pytest.approx(1, abs=0.1)
    assert float(told[(coverage == 0) & embedding.valid].median()) == pytest.approx(0, abs=0.2)


def test_it_is_weak_where_no_object_can_be_told_by_meaning() -> None:
    """One object that can is enough."""
    both = built(LEFT, RIGHT)

    assert weak(both, True, True).weak
    assert not weak(both, True, False).weak
    assert not weak(both, False, False).weak


def test_a_mask_is_brought_into_the_frame_of_the_decoder() -> None:
    """Four pixels a cell; none of the padding: half a cell of the fifth row shows the image."""
    logits = reference_logits(box(slice(0, 38), slice(48, 64)), tiny_sam().embed(IMAGE))

    assert logits.shape == (4 * SIDE, 4 * SIDE)
    assert (logits > 0).nonzero().amin(dim=0).tolist() == [0, 24]
    assert (logits > 0).nonzero().amax(dim=0).tolist() == [18, 31]


def test_an_object_in_a_huge_image_has_a_pixel_in_the_frame_of_the_decoder() -> None:
    """Far less than a pixel of the mask decoder's answers."""
    mask = np.zeros((1900, 3200), dtype=np.bool_)
    mask[1000, 2000] = True
    embedding = tiny_sam().embed(np.zeros((1900, 3200, 3), dtype=np.uint8))

    assert int((reference_logits(mask, embedding) > 0).sum()) == 1
