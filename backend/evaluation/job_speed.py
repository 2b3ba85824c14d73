"""What a whole job costs, from the bytes of its images to Label Studio's brush code.

Each image goes the way that it goes in a worker: its JPEG is decoded, searched for what one reference shows,
and what was found becomes a prediction. The network, loading the models and learning the reference are left
out of every way.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from backend.evaluation.matching import match_instances
from backend.evaluation.metrics import Tally, scores, tally, total
from backend.evaluation.rle import Rle, encode
from backend.evaluation.scattered_coins import jpeg, scattered_coins
from backend.evaluation.search_speed import LABEL, REFERENCE_SEED, Stopwatch
from backend.labelstudio.images import ImageLimits, decode_image
from backend.labelstudio.label_config import Control
from backend.labelstudio.regions import ScoredMask, prediction
from backend.vision.pipeline import Models, SearchOptions, find_instances
from backend.vision.reference import Reference, build_reference
from backend.vision.sam import ImageEmbedding, Sam

COLD, KEPT = "this program, cold", "this program, kept"
SIZE_HW = (768, 1024)
CONTROLS = {LABEL: Control("label", "image", "image", (LABEL,))}

Masks: TypeAlias = Sequence[NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class JobImage:
    """One image of the job.

    Attributes:
        data: a JPEG.
        true: the mask of each thing in it.
    """

    data: bytes
    true: tuple[Rle, ...]


@dataclass(frozen=True, eq=False)
class Way:
    """One way to find the things of an image.

    Attributes:
        name: for a person.
        encoder: the SAM whose ``embed`` the way calls.
        search: the image, (H, W, 3) uint8, and what the lender says of it, to a mask (H, W) bool per thing.
        lender: its embeddings stand in for those of an encoder that says nothing; their time does not count.
    """

    name: str
    encoder: Stopwatch
    search: Callable[[NDArray[np.uint8], ImageEmbedding | None], Masks]
    lender: Sam | None = None


@dataclass(frozen=True)
class Spent:
    """What one image took on one way, and what was found; times in milliseconds, as in ``JobCost``."""

    cpu_ms: float
    wall_ms: float
    encode_ms: float
    counts: Tally


@dataclass(frozen=True)
class JobCost:
    """What an image takes on one way, in the mean of all that were timed.

    Attributes:
        way: its name.
        images: that were timed.
        found: instances in all of them.
        f1: against the truth, over all of them, a match from IoU 0.5.
        cpu_ms: CPU time of all cores, in milliseconds.
        wall_ms: time on the wall, in milliseconds.
        encode_ms: the image encoder's part of *cpu_ms*.
    """

    way: str
    images: int
    found: int
    f1: float
    cpu_ms: float
    wall_ms: float
    encode_ms: float

    @property
    def images_per_minute(self) -> float:
        """As the clock on the wall has it."""
        return 60_000 / self.wall_ms


def job_images(count: int, *, things: int, size_hw: tuple[int, int] = SIZE_HW) -> list[JobImage]:
    """Scenes of coins, each of another seed; none is the reference's."""
    seeds = range(REFERENCE_SEED + 1, REFERENCE_SEED + 1 + count)
    scenes = (scattered_coins(things, size_hw=size_hw, seed=seed) for seed in seeds)
    return [JobImage(jpeg(scene.image), tuple(encode(mask) for mask in scene.masks)) for scene in scenes]


def job_reference(
    models: Models, options: SearchOptions, *, things: int, size_hw: tuple[int, int] = SIZE_HW
) -> Reference:
    """One coin of a scene that is not in the job."""
    scene = scattered_coins(things, size_hw=size_hw, seed=REFERENCE_SEED)
    return build_reference(
        *(models.sam, models.semantic, scene.image, scene.masks[:1]),
        label=LABEL,
        max_tiles=options.max_tiles,
        fine_tuned=options.fine_tuned,
    )


def own_way(name: str, models: Models, reference: Reference, options: SearchOptions) -> Way:
    """This program's, with models that keep what their encoders say or that do not."""
    encoder = Stopwatch(models.sam, "embed", "embed_together")
    watched = Models(cast("Sam", encoder), models.semantic)

    def search(image: NDArray[np.uint8], _: ImageEmbedding | None) -> Masks:
        return [one.mask for one in find_instances(watched, [reference], image, options=options).instances]

    return Way(name, encoder, search)


def job_costs(
    images: Sequence[JobImage],
    ways: Sequence[Way],
    peers: Sequence[Way] = (),
    *,
    peer_images: int,
    rounds: int,
) -> list[JobCost]:
    """Send each image all ways in turn, so that whatever else the machine does meets all of them.

    Args:
        images: of the job.
        ways: that all images go.
        peers: ways that only the first images go.
        peer_images: how many these are; with 0, or without peers, none.
        rounds: how often each image goes each way; the least CPU time counts.
    """
    spent: dict[str, list[Spent]] = {}
    for number, image in enumerate(images):
        going = [*ways, *(peers if number < peer_images else ())]
        turns = [[sent(image, way) for way in going] for _ in range(rounds)]
        for way, some in zip(going, zip(*turns, strict=True), strict=True):
            spent.setdefault(way.name, []).append(min(some, key=lambda one: one.cpu_ms))
    return [cost(name, all_images) for name, all_images in spent.items()]


def sent(image: JobImage, way: Way) -> Spent:
    """Send one image one way, from bytes to prediction."""
    lent = way.lender.embed(decode_image(image.data, limits=ImageLimits())) if way.lender else None
    encoded_ms = way.encoder.spent_ms
    wall, cpu = time.perf_counter(), time.process_time()
    pixels = decode_image(image.data, limits=ImageLimits())
    masks = way.search(pixels, lent)
    height, width = pixels.shape[:2]
    scored = [ScoredMask(LABEL, mask, 1.0) for mask in masks]
    prediction(1, "benchmark", CONTROLS, (height, width), scored)
    cpu_ms, wall_ms = (time.process_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000
    match = match_instances([encode(mask) for mask in masks], image.true)
    return Spent(cpu_ms, wall_ms, way.encoder.spent_ms - encoded_ms, tally(match, len(image.true)))


def cost(way: str, spent: Sequence[Spent]) -> JobCost:
    """The mean of all images that went one way."""
    counts = total(one.counts for one in spent)
    return JobCost(
        *(way, len(spent), counts.matched + counts.false, scores(counts).f1),
        cpu_ms=fmean(one.cpu_ms for one in spent),
        wall_ms=fmean(one.wall_ms for one in spent),
        encode_ms=fmean(one.encode_ms for one in spent),
    )
