"""Where people see the edge is learned where outlines are mended, and kept where it brings them nearer."""

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.vision import asking, edge_lessons
from backend.vision.edge_lessons import ByImage, is_better, some_of
from backend.vision.edge_regression import Corrected, EdgeRegression
from backend.vision.learned import Learned
from backend.vision.learning import learn
from backend.vision.pipeline import SearchOptions, find_instances
from backend.vision.reference import build_reference
from backend.vision.reviewed import Reviewed
from tests.colour_sam import RED, box_mask, colour_models, drawn
from tests.vision.test_edge_regression import box, outlined

OPTIONS = SearchOptions()
PLACES = [(8, 12), (8, 20), (8, 28), (16, 12), (16, 20)]  # not at the edge, where less is around


def things(number: int, *, found: int) -> list[Corrected]:
    """Two things of other sides in each image, and outlines that are so many pixels too large."""
    sizes = [(9 + number, 14 + number), (12 + number, 20)]
    return [
        outlined(box(10, 20, high, wide), box(10 - found, 20 - found, high + 2 * found, wide + 2 * found))
        for high, wide in sizes
    ]


def test_what_brings_outlines_nearer_in_every_image_is_better() -> None:
    assert is_better({number: things(number, found=2) for number in range(3)}, lambda: None)


def test_what_is_good_already_is_not_better() -> None:
    """Nor is what two images teach each other: they may be the only ones of their kind."""
    assert not is_better({number: things(number, found=0) for number in range(3)}, lambda: None)
    assert not is_better({0: things(0, found=2) * 4, 1: things(1, found=2) * 4}, lambda: None)
    assert not is_better({}, lambda: None)


def test_where_an_image_loses_by_it_nothing_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the others gain."""
    gains: ByImage = {number: things(number, found=2) for number in range(4)}

    def iou(self: Corrected, edges: EdgeRegression | None = None) -> float:
        return 0.9 if edges is None or self not in gains[3] else 0.87

    assert is_better(gains, lambda: None)
    monkeypatch.setattr(Corrected, "iou", iou)
    assert not is_better(gains, lambda: None)


def test_where_images_differ_nothing_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an image of which no other has seen the colours it is not known what is good for its like."""
    images: ByImage = {number: things(number, found=2) for number in range(4)}
    known = Corrected.known

    def but_one(self: Corrected, edges: EdgeRegression) -> bool:
        return known(self, edges) and self is not images[2][0]

    assert is_better(images, lambda: None)
    monkeypatch.setattr(Corrected, "known", but_one)  # one of two things of an image
    assert not is_better(images, lambda: None)


def test_many_images_have_fewer_outlines_each() -> None:
    """512 in all: 100 of 100 things of each of five images, 5 of a hundred, one of a thousand."""
    shown = things(0, found=0)[:1] * 100

    assert [len(some_of(shown, images)) for images in (1, 5, 100, 1000)] == [100, 100, 5, 1]


Drawn = tuple[NDArray[np.uint8], NDArray[np.bool_]]


def rimmed(top: int, left: int) -> Drawn:
    """A red box with a blue rim two pixels wide that SAM leaves out; the image, and what people mark."""
    image = drawn((top, left, 14, 18, (60, 110, 170)), (top + 2, left + 2, 10, 14, RED))
    return image, box_mask(top, left, 14, 18)


def test_a_rim_that_people_mark_is_marked_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learned from five images, seen in another one; a SAM of colours alone is not asked better."""
    monkeypatch.setattr(asking, "toilsome", lambda *_: [])
    models = colour_models()
    image, _ = rimmed(10, 10)
    reference = build_reference(models.sam, models.semantic, image, [box_mask(12, 12, 10, 14)], label="date")
    reviewed = [Reviewed(image, {"date": (true,)}) for image, true in map(rimmed, *zip(*PLACES, strict=True))]

    learned = learn(models, [reference], reviewed, options=OPTIONS)

    image, true = rimmed(16, 28)
    (before,) = find_instances(models, [reference], image, options=OPTIONS).instances
    (after,) = find_instances(models, [reference], image, options=OPTIONS, learned=learned).instances
    assert learned.edges().keys() == {"date"}
    assert np.array_equal(before.mask, box_mask(18, 30, 10, 14))
    assert (after.mask ^ true).sum() <= len("four corners")  # 252 pixels, of which 140 were found before


def test_where_next_to_nothing_is_mended_no_image_is_searched_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two mended outlines of a label are chance."""

    def fail(*_: object) -> None:
        raise AssertionError("searched")

    monkeypatch.setattr(edge_lessons, "outlines_of", fail)
    models = colour_models()
    image = drawn((2, 4, 24, 24, RED))
    reference = build_reference(models.sam, models.semantic, image, [box_mask(2, 4, 24, 24)], label="date")

    learned = learn(
        models, [reference], [Reviewed(image, {"date": (box_mask(2, 4, 24, 24),)})] * 3, options=OPTIONS
    )

    assert learned == Learned()
