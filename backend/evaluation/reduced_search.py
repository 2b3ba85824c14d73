"""What is found in a large JPEG at reduced size, against what is found in all of its pixels."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from backend.evaluation.matching import match_instances
from backend.evaluation.metrics import scores, tally
from backend.evaluation.rle import encode
from backend.evaluation.scattered_coins import ScatteredCoins, jpeg, scattered_coins
from backend.evaluation.search_speed import LABEL, REFERENCE_SEED, TEST_SEED
from backend.labelstudio.images import ImageLimits, decode_reduced
from backend.vision.instance import Instance, MaskWindow
from backend.vision.pipeline import Models, SearchOptions, find_instances
from backend.vision.reduction import Reduction
from backend.vision.reference import build_reference


@dataclass(frozen=True, eq=False)
class Searched:
    """One way to search a scene.

    Attributes:
        times: pixels of the image that a decoded one shows along each side.
        instances: that were found.
        f1: against the truth, a match from IoU 0.5.
        cpu_ms: decoding and searching, CPU time.
    """

    times: int
    instances: Sequence[Instance]
    f1: float
    cpu_ms: float


@dataclass(frozen=True)
class BothWays:
    """A scene decoded in full and at reduced size.

    Attributes:
        size_hw: of the scene, in pixels.
        things: in it.
        times: pixels of the image that a decoded one shows along each side, reduced.
        found: instances in full.
        found_reduced: instances at reduced size.
        f1: in full.
        f1_reduced: at reduced size.
        cpu_ms: decoding and searching in full.
        cpu_ms_reduced: the same at reduced size.
        mean_iou: of what is found reduced with what is found in full, in the image's own pixels.
        least_iou: the least of these.
    """

    size_hw: tuple[int, int]
    things: int
    times: int
    found: int
    found_reduced: int
    f1: float
    f1_reduced: float
    cpu_ms: float
    cpu_ms_reduced: float
    mean_iou: float
    least_iou: float


def both_ways(
    models: Models, size_hw: tuple[int, int], *, things: int, limits: ImageLimits, options: SearchOptions
) -> BothWays:
    """Search a scene of coins for one of another scene, both decoded in full, then as *limits* say.

    Args:
        models: the networks.
        size_hw: of both scenes, in pixels.
        things: in each.
        limits: how images are decoded at reduced size.
        options: how to search.
    """
    scenes = [scattered_coins(things, size_hw=size_hw, seed=seed) for seed in (REFERENCE_SEED, TEST_SEED)]
    whole, reduced = (
        searched(models, *scenes, limits=one, options=options)
        for one in (replace(limits, enough_side=None), limits)
    )
    ious = [
        max((iou(one.window, other.window) for other in whole.instances), default=0.0)
        for one in reduced.instances
    ] or [0.0]
    return BothWays(
        *(size_hw, things, reduced.times, len(whole.instances), len(reduced.instances)),
        *(whole.f1, reduced.f1, whole.cpu_ms, reduced.cpu_ms, fmean(ious), min(ious)),
    )


def searched(
    models: Models,
    shot: ScatteredCoins,
    scene: ScatteredCoins,
    *,
    limits: ImageLimits,
    options: SearchOptions,
) -> Searched:
    """Search one scene for the first thing of another, both decoded as *limits* say."""
    file, image = jpeg(scene.image), decode_reduced(jpeg(shot.image), limits=limits)
    mask = Reduction.of(image.pixels.shape[:2], image.size_hw).mask(shot.masks[0])
    reference = build_reference(
        *(models.sam, models.semantic, image.pixels, [mask]), label=LABEL, max_tiles=options.max_tiles
    )
    started = time.process_time()
    image = decode_reduced(file, limits=limits)
    found = find_instances(models, [reference], image.pixels, options=options, size_hw=image.size_hw)
    cpu_ms = (time.process_time() - started) * 1000
    true = [encode(one) for one in scene.masks]
    match = match_instances([encode(one.mask) for one in found.instances], true)
    times = Reduction.of(image.pixels.shape[:2], image.size_hw).times
    return Searched(times, found.instances, scores(tally(match, len(true))).f1, cpu_ms)


def iou(one: MaskWindow, other: MaskWindow) -> float:
    """Of two masks of one image, of which one at least is not empty."""
    shared = one.shared(other)
    return shared / (one.area + other.area - shared)
