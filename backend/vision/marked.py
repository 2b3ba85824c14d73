"""Marked: the candidates of a reviewed image, each with the thing that a person has marked there, if any."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.check import Sight, judged
from backend.vision.evidence import Cues
from backend.vision.inset import INSETS, inset
from backend.vision.learned import NOTHING, Learned, Lesson
from backend.vision.pipeline import Models, SearchOptions, Seen, Survey, outlined
from backend.vision.prompt_tuning import Outlined, Pointed, pointed
from backend.vision.prototype import reference_logits
from backend.vision.sam import ImageEmbedding, Sam
from backend.vision.views import View

RIGHT = 0.5  # IoU from which a candidate shows the thing
GOOD = 0.8  # IoU from which nobody mends the outline
NOTHING_RIGHT = 0.3  # IoU of a candidate that is as wrong as can be: from here to ``GOOD`` it gets better
ENOUGH_SHOWN = 0.5  # of a thing lies in the view: it can be found there
NO_THING = -1
EXAMPLES = 8  # of a label's things in an image, for prompts to be tuned with
EXAMPLE_VIEWS = 2  # of an image, from which they are taken: bounds the embeddings that are kept


@dataclass(frozen=True, eq=False)
class MarkedView:
    """The candidates of one view.

    Attributes:
        sight: what was measured of them, without masks.
        cues: in company, n of them.
        labels: of each candidate.
        things: number of the thing of its label that each shows, ``NO_THING`` if none, (n,) int.
        ious: how well it shows it where its outline is moved inwards by each of ``INSETS``, (i, n) float; 0
            if none.
        redrawn: the same with outlines that are drawn once more.
    """

    sight: Sight
    cues: Cues
    labels: tuple[str, ...]
    things: Tensor
    ious: Tensor
    redrawn: Tensor

    def as_left(self, lesson: Lesson) -> Tensor:
        """How well people see each candidate show its thing, (n,) float."""
        return (self.redrawn if lesson.redrawn else self.ious)[INSETS.index(lesson.inset)]

    def rightness(self, lesson: Lesson) -> Tensor:
        """How right each candidate is, from 0 if it shows nothing to 1 if its outline is good, (n,) float."""
        better = (self.as_left(lesson) - NOTHING_RIGHT) / (GOOD - NOTHING_RIGHT)
        return better.clamp(0, 1).where(self.things != NO_THING, 0.0)

    def of(self, label: str) -> Tensor:
        """Which candidates are of that label, (n,) bool."""
        return torch.tensor([one == label for one in self.labels], dtype=torch.bool)


@dataclass(frozen=True, eq=False)
class Marked:
    """One reviewed image.

    Attributes:
        counts: how many things a person has marked, by label; about others nothing is known.
        views: its views.
        pointed: some of the things, by label, for prompts to be tuned with.
        outlined: some of those that were found, likewise.
        image_id: the same for reviews of the same image; None: there is no other.
    """

    counts: Mapping[str, int]
    views: tuple[MarkedView, ...]
    pointed: Mapping[str, tuple[Pointed, ...]] = field(default_factory=dict)
    outlined: Mapping[str, tuple[Outlined, ...]] = field(default_factory=dict)
    image_id: Hashable = None

    def mistakes(self, label: str, lesson: Lesson) -> int:
        """What a person would have to mend: things of the label that are missed or loose, and false ones."""
        good, false = self.outcome(label, lesson)
        return self.counts.get(label, 0) - len(good) + false

    def outcome(self, label: str, lesson: Lesson) -> tuple[frozenset[int], int]:
        """Which things of the label are found with an outline that nobody mends, and how many are false."""
        good: set[int] = set()
        false = 0
        for view in self.views if label in self.counts else ():
            ious = view.as_left(lesson)
            evidence = lesson.evidence(view.cues, view.sight.vectors).where(view.of(label), -1.0)
            for i in view.sight.accepted(evidence):
                thing = int(view.things[i])
                false += thing == NO_THING
                if thing != NO_THING and float(ious[i]) >= GOOD:
                    good.add(thing)
        return frozenset(good), false


def marked(
    models: Models,
    found: Survey,
    masks: Mapping[str, Sequence[NDArray[np.bool_]]],
    *,
    options: SearchOptions,
    learned: Learned = NOTHING,
    examples: bool = False,
) -> Marked:
    """Compare the candidates of one image with what a person has marked in it.

    Args:
        models: SAM draws outlines once more.
        found: the image's survey.
        masks: (H, W) bool each, by label.
        options: as the search had them.
        learned: prompts for the outlines.
        examples: whether some things are kept for prompts to be tuned with.
    """
    sighted = [number for number, one in enumerate(found.seen) if one.sight is not None]
    seen = [found.seen[number] for number in sighted]
    views = tuple(_views(models.sam, found, seen, masks, options, learned.outlines()))
    counts = {label: len(things) for label, things in masks.items()}
    if not examples:
        return Marked(counts, views)
    keep = cache(kept)
    shown = [one.view for one in found.seen]
    whole = {label: shown_whole(shown, things) for label, things in masks.items()}
    return Marked(
        counts,
        views,
        pointed={
            label: tuple(pointed_of(found.seen, things, whole[label], keep))
            for label, things in masks.items()
        },
        outlined={
            label: tuple(
                outlined_of(seen, views, label, things, [whole[label][number] for number in sighted], keep)
            )
            for label, things in masks.items()
        },
    )


def shown_whole(views: Sequence[View], things: Sequence[NDArray[np.bool_]]) -> list[list[int]]:
    """Numbers of the things, (H, W) bool each, that each of the views shows whole."""
    areas = [int(mask.sum()) for mask in things]
    return [[i for i, mask in enumerate(things) if view.cut(mask).sum() == areas[i]] for view in views]


def kept(embedding: ImageEmbedding) -> ImageEmbedding:
    """Copy an embedding, without what is kept beside it and without the batch that it is a part of."""
    return replace(
        embedding, features=embedding.features.clone(), fine=tuple(one.clone() for one in embedding.fine)
    )


def pointed_of(
    seen: Sequence[Seen],
    things: Sequence[NDArray[np.bool_]],
    whole: Sequence[Sequence[int]],
    keep: Callable[[ImageEmbedding], ImageEmbedding],
) -> Iterator[Pointed]:
    """Give up to ``EXAMPLES`` things from the views that show most of them whole, small and large ones alike.

    Args:
        seen: the views.
        things: (H, W) bool each, none empty.
        whole: see ``shown_whole``.
        keep: copies an embedding, each once.
    """
    areas = [int(mask.sum()) for mask in things]
    left, given = set(range(len(things))), 0
    for number in sorted(range(len(seen)), key=lambda number: -len(whole[number]))[:EXAMPLE_VIEWS]:
        mine = sorted(left.intersection(whole[number]), key=lambda i: areas[i])
        left.difference_update(mine)
        for i in mine[:: max(1, len(mine) // (EXAMPLES // EXAMPLE_VIEWS))]:
            pixels = seen[number].view.cut(things[i])
            mask = reference_logits(pixels, seen[number].embedding) > 0
            if given < EXAMPLES and mask.any():
                given += 1
                yield pointed(keep(seen[number].embedding), pixels, mask)


def outlined_of(
    seen: Sequence[Seen],
    views: Sequence[MarkedView],
    label: str,
    things: Sequence[NDArray[np.bool_]],
    whole: Sequence[Sequence[int]],
    keep: Callable[[ImageEmbedding], ImageEmbedding],
) -> Iterator[Outlined]:
    """Give up to ``EXAMPLES`` found things from the views that show most of them whole, each as found best.

    Args:
        seen: the views.
        views: the same, compared with what a person has marked.
        label: whose things.
        things: (H, W) bool each, none empty.
        whole: see ``shown_whole``.
        keep: copies an embedding, each once.
    """
    best: list[dict[int, int]] = []  # candidate by thing, view by view
    for view, mine_whole in zip(views, whole, strict=True):
        mine = (view.of(label) & (view.things != NO_THING)).nonzero()[:, 0].tolist()
        found = {int(view.things[i]): i for i in sorted(mine, key=lambda i: float(view.ious[0, i]))}
        best.append({thing: number for thing, number in found.items() if thing in mine_whole})
    for number in sorted(range(len(seen)), key=lambda number: -len(best[number]))[:EXAMPLE_VIEWS]:
        one, sight = seen[number], seen[number].sight
        each = EXAMPLES // EXAMPLE_VIEWS
        for thing in sorted(best[number])[:: max(1, len(best[number]) // each)][:each]:
            mask = reference_logits(one.view.cut(things[thing]), one.embedding) > 0
            if sight is not None:
                yield Outlined(
                    keep(one.embedding), mask, sight.candidates[best[number][thing]].logits.clone()
                )


def _views(
    sam: Sam,
    found: Survey,
    seen: Sequence[Seen],
    masks: Mapping[str, Sequence[NDArray[np.bool_]]],
    options: SearchOptions,
    outlines: Mapping[str, Tensor],
) -> Iterator[MarkedView]:
    sights = [one.sight for one in seen if one.sight is not None]
    verdicts = judged(sights, found.exemplars, weights=options.counting, without=options.without)
    for one, sight, (cues, _) in zip(seen, sights, verdicts, strict=True):
        labels = tuple(found.exemplars[index].label for index in sight.owner.tolist())
        shown = _things(sam, one, sight, labels, masks, outlines)
        yield MarkedView(sight.without_masks(), cues, labels, *shown)


def _things(
    sam: Sam,
    seen: Seen,
    sight: Sight,
    labels: Sequence[str],
    masks: Mapping[str, Sequence[NDArray[np.bool_]]],
    outlines: Mapping[str, Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """What each candidate shows, (n,) int, and how well, (i, n) float each: as found, and redrawn."""
    things = torch.full((len(labels),), NO_THING)
    how_well, again = (torch.zeros(len(INSETS), len(labels)) for _ in range(2))
    for label in set(labels) & set(masks):
        mine = [i for i, one in enumerate(labels) if one == label]
        numbers, true = shown_things(seen, masks[label])
        if not numbers:
            continue
        ious = iou(torch.stack([sight.candidates[i].mask for i in mine]), true)
        for i, best, most in zip(mine, ious.argmax(dim=1).tolist(), ious.amax(dim=1).tolist(), strict=True):
            if most >= RIGHT:
                candidate = sight.candidates[i]
                outline = outlined(sam, seen.embedding, candidate, outlines.get(label))
                things[i] = numbers[best]
                how_well[:, i] = moved_ious(candidate.logits, true[best], seen.embedding)
                again[:, i] = moved_ious(outline.logits, true[best], seen.embedding)
    return things, how_well, again


def shown_things(seen: Seen, things: Sequence[NDArray[np.bool_]]) -> tuple[list[int], Tensor]:
    """Numbers of the things, (H, W) bool each, of which a view shows enough, and these, (n, 4h, 4w) bool."""
    cuts = [(number, seen.view.cut(mask), int(mask.sum())) for number, mask in enumerate(things)]
    shown = [(number, cut) for number, cut, area in cuts if cut.sum() > ENOUGH_SHOWN * area]
    side = 4 * seen.embedding.grid_hw[0]
    masks = [reference_logits(cut, seen.embedding) > 0 for _, cut in shown]
    return [number for number, _ in shown], torch.stack(masks) if masks else torch.zeros(0, side, side).bool()


def moved_ious(logits: Tensor, true: Tensor, embedding: ImageEmbedding) -> Tensor:
    """IoU of an outline, moved inwards by each of ``INSETS``, with the thing, (i,) float.

    Args:
        logits: of the outline, (4h, 4w) float.
        true: the thing, (4h, 4w) bool.
        embedding: of the view.
    """
    moved = [inset(logits, by, embedding) > 0 for by in INSETS]
    return iou(torch.stack(moved), true[None])[:, 0]


def iou(masks: Tensor, others: Tensor) -> Tensor:
    """IoU of each pair of masks, (n, h, w) and (m, h, w) bool; (n, m) float on the CPU."""
    first, second = masks.flatten(1).float().cpu(), others.flatten(1).float().cpu()
    both = first @ second.T
    return both / (first.sum(1)[:, None] + second.sum(1)[None] - both).clamp_min(1)
