"""Edges: what is blurred, turned inside out or drawn beside the thing has another edge than the thing."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from backend.vision.edges import MASKS_PER_PASS, POINTS, Edges, crossings, edges_of, facing, outlines
from backend.vision.sam import ImageEmbedding, resized_size

EMBEDDING = ImageEmbedding(torch.zeros(2, 16, 16), (160, 256), resized_size(160, 256, 256), 256)
BLACK, WHITE, GREY = 0, 255, 119  # L* of 0, 100 and 50


def scene(thing: int = WHITE, ground: int = BLACK) -> NDArray[np.uint8]:
    """A thing of 64 x 96 pixels on some ground, 160 x 256."""
    image = np.full((160, 256, 3), ground, dtype=np.uint8)
    image[48:112, 80:176] = thing
    return image


def blurred(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Out of focus: every edge is a slope of 15 pixels."""
    window = np.lib.stride_tricks.sliding_window_view
    for axis in (0, 1):
        wide = np.pad(image, [(7, 7) if one == axis else (0, 0) for one in range(3)], mode="edge")
        image = window(wide, 15, axis=axis).mean(axis=-1).astype(np.uint8)
    return image


def box(rows: slice = slice(12, 28), columns: slice = slice(20, 44)) -> torch.Tensor:
    """A mask of 64 x 64 low-resolution pixels, as logits (1, 64, 64); at first it is the thing."""
    logits = torch.full((1, 64, 64), -8.0)
    logits[:, rows, columns] = 8.0
    return logits


def edge(image: NDArray[np.uint8], logits: torch.Tensor | None = None) -> Edges:
    """Of one mask of an image."""
    return edges_of(image, box() if logits is None else logits, EMBEDDING)


def test_what_is_blurred_is_less_sharp_than_the_reference() -> None:
    """White on black at once, and within fifteen pixels: a sixth at least."""
    reference, other = edge(scene()), edge(blurred(scene()))

    assert float(reference.log_sharpness(reference)[0]) == 0
    assert float(other.log_sharpness(reference)[0]) < math.log(0.5)


def test_contrast_is_not_sharpness() -> None:
    """White on grey has half of the change of white on black, in as few pixels."""
    reference, faint = edge(scene()), edge(scene(ground=GREY))

    assert float(faint.log_sharpness(reference)[0]) == pytest.approx(0, abs=0.1)
    assert float(faint.likeness(reference)[0]) == pytest.approx(1, abs=0.01)


def test_a_hole_is_nothing_like_a_thing() -> None:
    """Dark inside and bright outside, where the reference is bright inside and dark outside."""
    assert float(edge(scene(BLACK, WHITE)).likeness(edge(scene()))[0]) == pytest.approx(-1, abs=0.02)


def test_a_mask_beside_the_thing_has_no_edge_to_speak_of() -> None:
    """Black inside and outside."""
    reference = edge(scene())

    beside = edge(scene(), box(slice(12, 28), slice(4, 14)))

    assert float(beside.profiles.norm()) < 0.1 * float(reference.profiles.norm())


def test_an_outline_a_little_beside_its_edge_has_it_all_the_same() -> None:
    """One low-resolution pixel too wide on all sides: four pixels of the model's input."""
    reference = edge(scene())

    wide = edge(scene(), box(slice(11, 29), slice(19, 45)))

    assert float(wide.likeness(reference)[0]) > 0.8


def test_rows_and_columns_are_told_apart_and_count_alike() -> None:
    """The same scene on its side."""
    upright = ImageEmbedding(torch.zeros(2, 16, 16), (256, 160), resized_size(256, 160, 256), 256)

    turned = edges_of(np.ascontiguousarray(scene().swapaxes(0, 1)), box().transpose(1, 2), upright)

    assert torch.allclose(turned.profiles, edge(scene()).profiles, atol=0.5)
    assert float(turned.sharpness[0]) == pytest.approx(float(edge(scene()).sharpness[0]), abs=0.01)


def test_specks_and_holes_of_a_mask_are_no_edges() -> None:
    """A hole of one pixel, and a speck of one, far from the outline."""
    logits = box()
    logits[:, 20, 30], logits[:, 5, 5] = -8.0, 8.0

    assert torch.allclose(edge(scene(), logits).profiles, edge(scene()).profiles)


def test_an_object_that_fills_the_image_has_no_known_edge() -> None:
    """Its outline is the image's: nothing speaks against it."""
    full = edge(scene(), box(slice(0, 40), slice(0, 64)))

    assert full.known.tolist() == [False]
    assert full.likeness(edge(scene())).tolist() == [1]
    assert full.log_sharpness(edge(scene())).tolist() == [0]


def test_an_empty_mask_has_no_known_edge() -> None:
    """And does not disturb the other's."""
    both = edges_of(scene(), torch.cat([torch.full((1, 64, 64), -8.0), box()]), EMBEDDING)

    assert both.known.tolist() == [False, True]
    assert torch.allclose(both.profiles[1], edge(scene()).profiles[0])


def test_many_masks_are_measured_as_one_is() -> None:
    """More than go through at a time; every second one is the thing, the others are beside it."""
    beside = box(slice(12, 28), slice(4, 14))

    many = edges_of(scene(), torch.cat([box(), beside] * (MASKS_PER_PASS // 2 + 1)), EMBEDDING)

    each = torch.cat([edge(scene()).profiles, edge(scene(), beside).profiles])
    assert torch.allclose(many.profiles[-2:], each, atol=1e-3)


def test_an_outline_runs_where_the_logits_are_nought() -> None:
    """Between 3 in column 1 and -1 in column 2 of row 0: three quarters of the way."""
    owner, places_xy = crossings(torch.tensor([[[3.0, 3.0, -1.0], [-1.0, -1.0, -1.0]]]))

    assert owner.tolist() == [0]
    assert places_xy.tolist() == [[1.75, 0]]


def test_outlines_face_outward() -> None:
    """On the right side of a box, and at its foot."""
    out = facing(box(), torch.tensor([0, 0]), torch.tensor([[43.5, 20.0], [30.0, 27.5]]))

    assert torch.allclose(out, torch.tensor([[1.0, 0.0], [0.0, 1.0]]), atol=1e-6)


def test_long_outlines_give_no_more_points_than_bounded() -> None:
    """The first has 80 places on its outline, the second 150."""
    owner, places_xy, _ = outlines(torch.cat([box(), box(slice(2, 38), slice(2, 41))]))

    counts = torch.bincount(owner).tolist()
    assert counts[0] == 80
    assert POINTS / 2 <= counts[1] <= POINTS
    assert len(places_xy) == sum(counts)
