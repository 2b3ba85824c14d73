"""What a whole job costs: what is counted for which way, on stand-ins that find what they are told to."""

import time
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.evaluation.job_speed import (
    JobImage,
    Masks,
    Spent,
    Way,
    cost,
    job_costs,
    job_images,
    job_reference,
    own_way,
    sent,
)
from backend.evaluation.metrics import Tally
from backend.evaluation.rle import decode, encode
from backend.evaluation.scattered_coins import jpeg
from backend.evaluation.search_speed import Stopwatch
from backend.labelstudio.errors import RegionError
from backend.labelstudio.images import ImageLimits, decode_image
from backend.vision.pipeline import Models, SearchOptions
from backend.vision.sam import ImageEmbedding, Sam
from tests.tiny_sam import tiny_sam

SIZE_HW = (30, 40)
BUSY_S = 0.2


@dataclass
class Finder:
    """Stands for a search: finds the upper left corner, and notes what it was given."""

    corner: int = 10
    busy_s: list[float] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    lent: list[ImageEmbedding | None] = field(default_factory=list)

    def embed(self, image: NDArray[np.uint8]) -> None:
        """Stands for the image encoder."""
        self.shapes.append(image.shape)

    def search(self, image: NDArray[np.uint8], lent: ImageEmbedding | None) -> Masks:
        """Take as long as is next, if anything is."""
        self.embed(image)
        self.lent.append(lent)
        if self.busy_s:
            busy(self.busy_s.pop(0))
        mask = np.zeros(SIZE_HW, dtype=np.bool_)
        mask[: self.corner, : self.corner] = True
        return [mask]

    def way(self, name: str, *, lender: Sam | None = None) -> Way:
        """The way that it is."""
        return Way(name, Stopwatch(self, "embed"), self.search, lender)


class SlowSam(Sam):
    """Takes its time to encode."""

    def __init__(self) -> None:
        self.said: list[ImageEmbedding] = []

    def embed(self, image: NDArray[np.uint8]) -> ImageEmbedding:
        """As a tiny SAM, later."""
        busy(BUSY_S)
        self.said.append(tiny_sam().embed(image))
        return self.said[-1]


def busy(seconds: float) -> None:
    """Use CPU time."""
    started = time.process_time()
    while time.process_time() - started < seconds:
        pass


def cornered() -> JobImage:
    """An image with a thing of 10 x 10 in the upper left corner."""
    mask = np.zeros(SIZE_HW, dtype=np.bool_)
    mask[:10, :10] = True
    return JobImage(jpeg(np.stack([mask.astype(np.uint8) * 200] * 3, axis=-1)), (encode(mask),))


def test_images_are_longer_than_wide_and_each_another() -> None:
    first, second = (
        decode_image(one.data, limits=ImageLimits()) for one in job_images(2, things=3, size_hw=(90, 120))
    )

    assert first.shape == second.shape == (90, 120, 3)
    assert not np.array_equal(first, second)


def test_the_truth_of_an_image_is_where_it_is_bright() -> None:
    (image,) = job_images(1, things=3, size_hw=(90, 120))

    covered = np.logical_or.reduce([decode(one) for one in image.true])
    pixels = decode_image(image.data, limits=ImageLimits())
    assert len(image.true) == 3
    assert pixels[covered].mean() > pixels[~covered].mean() + 50


def test_all_images_go_the_own_ways_and_the_first_ones_go_the_peers() -> None:
    own, peer = Finder(), Finder(corner=3)

    costs = job_costs([cornered()] * 3, [own.way("own")], [peer.way("peer")], peer_images=2, rounds=1)

    assert [(one.way, one.images, one.found, one.f1) for one in costs] == [
        ("own", 3, 3, 1),
        ("peer", 2, 2, 0),
    ]
    assert own.shapes == [(*SIZE_HW, 3)] * 3
    assert peer.shapes == [(*SIZE_HW, 3)] * 2


def test_without_images_for_them_there_are_no_peers() -> None:
    costs = job_costs([cornered()], [Finder().way("own")], [Finder().way("peer")], peer_images=0, rounds=1)

    assert [one.way for one in costs] == ["own"]


def test_the_least_of_the_rounds_counts() -> None:
    finder = Finder(busy_s=[BUSY_S, 0, BUSY_S])

    (found,) = job_costs([cornered()], [finder.way("own")], peer_images=0, rounds=3)

    assert len(finder.shapes) == 3
    assert found.images == 1
    assert found.cpu_ms < BUSY_S * 1000


def test_what_a_lender_says_is_searched_and_its_time_is_not_counted() -> None:
    lender, finder = SlowSam(), Finder()

    spent = sent(cornered(), finder.way("peer", lender=lender))

    assert len(lender.said) == 1
    assert finder.lent == lender.said
    assert spent.cpu_ms < BUSY_S * 1000


def test_a_way_without_a_lender_is_lent_nothing() -> None:
    finder = Finder()

    sent(cornered(), finder.way("own"))

    assert finder.lent == [None]


def test_masks_are_written_as_a_prediction() -> None:
    """One that Label Studio would not take is refused, as in a worker."""
    way = Way("own", Stopwatch(Finder(), "embed"), lambda image, _: [np.ones(image.shape[1::-1], np.bool_)])

    with pytest.raises(RegionError, match=r"expected masks of \(30, 40\)"):
        sent(cornered(), way)


def test_a_cost_is_the_mean_of_its_images_and_f1_that_of_all_things() -> None:
    """Three of four things, and one false."""
    found = cost(
        "own",
        [
            Spent(100, 200, 50, Tally(true=2, matched=2)),
            Spent(300, 400, 70, Tally(true=2, matched=1, false=1)),
        ],
    )

    assert (found.images, found.found, found.f1) == (2, 4, 0.75)
    assert (found.cpu_ms, found.wall_ms, found.encode_ms) == (200, 300, 60)
    assert found.images_per_minute == 200


def test_this_programs_way_is_the_pipeline_and_its_encoder_is_timed(models: Models) -> None:
    """A tiny random SAM finds what it finds; the image is encoded once."""
    options = SearchOptions(max_instances=3)
    reference = job_reference(models, options, things=1, size_hw=(90, 120))
    (image,) = job_images(1, things=1, size_hw=(90, 120))

    spent = sent(image, own_way("own", models, reference, options))

    assert reference.label == "coin"
    assert 0 < spent.encode_ms < spent.cpu_ms
    assert spent.counts.true == 1
