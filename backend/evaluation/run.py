"""Run methods over the episodes of a data set, one image after the other."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from backend.evaluation.datasets import LabelledImage
from backend.evaluation.episodes import Episode, Search
from backend.evaluation.exemplars import exemplars
from backend.evaluation.matching import Match, match_instances
from backend.evaluation.methods import Method
from backend.evaluation.metrics import Tally, tally
from backend.evaluation.predictions import Found
from backend.evaluation.rle import Rle, encode, iou_matrix
from backend.evaluation.scene import Scene
from backend.vision.pipeline import Models, SearchOptions, Segmentation
from backend.vision.sam import ImageEmbedding
from backend.vision.score import prediction_score


@dataclass(frozen=True)
class Outcome:
    """One class on one image by one method, against the truth.

    Attributes:
        group: the episode's group.
        label: the episode's class.
        found: instances of that class that the method found.
        true: the true masks; none if the image holds none of the class.
        match: which is which; numbers are positions in *found* and *true*.
        counts: what the scores are made of.
    """

    group: str
    label: str
    found: tuple[Found, ...]
    true: tuple[Rle, ...]
    match: Match
    counts: Tally


@dataclass(frozen=True)
class ImageRun:
    """One search of one image by one method.

    Attributes:
        image: name of the image.
        method: name of the method.
        outcomes: one per judged class.
        seconds: by stage: encode, search, check.
        score: of all that was found, as Label Studio would be told.
    """

    image: str
    method: str
    outcomes: tuple[Outcome, ...]
    seconds: dict[str, float]
    score: float


def run_searches(
    models: Models,
    plan: Sequence[Search],
    methods: Sequence[Method],
    *,
    options: SearchOptions,
    boxed: bool = False,
) -> Iterator[tuple[Search, list[ImageRun]]]:
    """Search every image with every method; one item per search, as soon as it is done.

    An image that is searched several times in a row is encoded once; its runs after the first have 0 s for
    encode.

    Args:
        models: the networks.
        plan: what to search.
        methods: how.
        options: of the methods.
        boxed: as references only the boxes around the annotated objects are shown.
    """
    wanted = (episode for search in plan for episode in search.episodes)
    shown = exemplars(models, wanted, max_tiles=options.max_tiles, boxed=boxed)
    last: tuple[LabelledImage, ImageEmbedding] | None = None
    for search in plan:
        image = search.image.pixels()
        started = time.perf_counter()
        if last is None or last[0] is not search.image:
            last = (search.image, models.sam.embed(image))
        encode_s = time.perf_counter() - started
        true = _true_masks(search)
        runs = []
        for method in methods:
            asked = search.episodes if method.competes else _own_group(search)
            scene = Scene(image, last[1], tuple(e for episode in asked for e in shown[episode.key]), true)
            found = method.find(models, scene, replace(options, guidance=method.guidance or options.guidance))
            judged = [episode for episode in search.judged if episode in asked]
            runs.append(_image_run(search.image.name, method.name, judged, true, found, encode_s))
        yield search, runs


def _own_group(search: Search) -> tuple[Episode, ...]:
    """The judged episodes of the image's own group."""
    return tuple(episode for episode in search.judged if episode.group == search.image.group)


def _true_masks(search: Search) -> dict[str, tuple[Rle, ...]]:
    """The true masks of every judged class."""
    return {
        episode.label: tuple(encode(mask) for mask in search.image.masks(episode.label).values())
        for episode in search.judged
    }


def _image_run(
    image: str,
    method: str,
    judged: Sequence[Episode],
    true: dict[str, tuple[Rle, ...]],
    segmentation: Segmentation,
    encode_s: float,
) -> ImageRun:
    """What a method found, judged class by class."""
    found = [
        Found(instance.label, encode(instance.mask), instance.confidence, instance.similarity)
        for instance in segmentation.instances
    ]
    outcomes = tuple(
        outcome(episode, tuple(f for f in found if f.label == episode.label), true[episode.label])
        for episode in judged
    )
    seconds = {
        "encode": encode_s + segmentation.seconds.encode,
        "search": segmentation.seconds.search,
        "check": segmentation.seconds.check,
    }
    score = prediction_score([one.confidence for one in found], segmentation.missed)
    return ImageRun(image, method, outcomes, seconds, score)


def outcome(episode: Episode, found: tuple[Found, ...], true: tuple[Rle, ...]) -> Outcome:
    """Match what was found with what is there."""
    match = match_instances([instance.rle for instance in found], true)
    counts = tally(match, len(true), best_iou=best_iou(found, true))
    return Outcome(episode.group, episode.label, found, true, match, counts)


def best_iou(found: Sequence[Found], true: Sequence[Rle]) -> float:
    """IoU of the most confident instance with the true one it fits best; 0 if either is nothing."""
    if not found or not true:
        return 0.0
    best = max(found, key=lambda one: one.confidence)
    return float(iou_matrix([best.rle], true).max())
