"""Marked: the candidates of a reviewed image, each with the thing that a person has marked there, if any."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.check import Sight, judged
from backend.vision.evidence import Cues
from backend.vision.learned import Lesson
from backend.vision.pipeline import SearchOptions, Seen, Survey
from backend.vision.prototype import reference_logits

RIGHT = 0.5  # IoU from which a candidate shows the thing
GOOD = 0.8  # IoU from which nobody mends the outline
NOTHING_RIGHT = 0.3  # IoU of a candidate that is as wrong as can be: from here to ``GOOD`` it gets better
ENOUGH_SHOWN = 0.5  # of a thing lies in the view: it can be found there
NO_THING = -1


@dataclass(frozen=True, eq=False)
class MarkedView:
    """The candidates of one view.

    Attributes:
        sight: what was measured of them, without masks.
        cues: in company, n of them.
        labels: of each candidate.
        things: number of the thing of its label that each shows, ``NO_THING`` if none, (n,) int.
        ious: how well it shows it, (n,) float; 0 if none.
    """

    sight: Sight
    cues: Cues
    labels: tuple[str, ...]
    things: Tensor
    ious: Tensor

    @property
    def rightness(self) -> Tensor:
        """How right each candidate is, from 0 if it shows nothing to 1 if its outline is good, (n,) float."""
        better = (self.ious - NOTHING_RIGHT) / (GOOD - NOTHING_RIGHT)
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
    """

    counts: Mapping[str, int]
    views: tuple[MarkedView, ...]

    def mistakes(self, label: str, lesson: Lesson) -> int:
        """What a person would have to mend: things of the label that are missed or loose, and false ones."""
        if label not in self.counts:
            return 0
        found: dict[int, float] = {}
        false = 0
        for view in self.views:
            evidence = lesson.evidence(view.cues, view.sight.vectors).where(view.of(label), -1.0)
            for i in view.sight.accepted(evidence):
                thing = int(view.things[i])
                false += thing == NO_THING
                found[thing] = max(found.get(thing, 0.0), float(view.ious[i]))
        found.pop(NO_THING, None)
        return self.counts[label] - sum(iou >= GOOD for iou in found.values()) + false


def marked(
    found: Survey, masks: Mapping[str, Sequence[NDArray[np.bool_]]], *, options: SearchOptions
) -> Marked:
    """Compare the candidates of one image with what a person has marked in it.

    Args:
        found: the image's survey.
        masks: (H, W) bool each, by label.
        options: as the search had them.
    """
    return Marked(
        {label: len(things) for label, things in masks.items()}, tuple(_views(found, masks, options))
    )


def _views(
    found: Survey, masks: Mapping[str, Sequence[NDArray[np.bool_]]], options: SearchOptions
) -> Iterator[MarkedView]:
    seen = [(one, one.sight) for one in found.seen if one.sight is not None]
    sights = [sight for _, sight in seen]
    verdicts = judged(sights, found.exemplars, weights=options.counting, without=options.without)
    for (one, sight), (cues, _) in zip(seen, verdicts, strict=True):
        labels = tuple(found.exemplars[index].label for index in sight.owner.tolist())
        yield MarkedView(sight.without_masks(), cues, labels, *_things(one, sight, labels, masks))


def _things(
    seen: Seen, sight: Sight, labels: Sequence[str], masks: Mapping[str, Sequence[NDArray[np.bool_]]]
) -> tuple[Tensor, Tensor]:
    """The thing that each candidate shows, (n,) int, and how well, (n,) float."""
    things, how_well = torch.full((len(labels),), NO_THING), torch.zeros(len(labels))
    for label in set(labels) & set(masks):
        mine = [i for i, one in enumerate(labels) if one == label]
        cuts = [(number, seen.view.cut(mask), int(mask.sum())) for number, mask in enumerate(masks[label])]
        shown = [(number, cut) for number, cut, area in cuts if cut.sum() > ENOUGH_SHOWN * area]
        if shown:
            true = torch.stack([reference_logits(cut, seen.embedding) > 0 for _, cut in shown])
            ious = iou(torch.stack([sight.candidates[i].mask for i in mine]), true)
            numbers = torch.tensor([number for number, _ in shown])
            best = ious.amax(dim=1)
            things[mine] = numbers[ious.argmax(dim=1)].where(best >= RIGHT, NO_THING)
            how_well[mine] = best.where(best >= RIGHT, 0.0)
    return things, how_well


def iou(masks: Tensor, others: Tensor) -> Tensor:
    """IoU of each pair of masks, (n, h, w) and (m, h, w) bool; (n, m) float on the CPU."""
    first, second = masks.flatten(1).float().cpu(), others.flatten(1).float().cpu()
    both = first @ second.T
    return both / (first.sum(1)[:, None] + second.sum(1)[None] - both).clamp_min(1)
