"""Fit the weights of the evidence: how much each cue of the check counts, learned from data sets with truth.

A ridge-regularised logistic regression with few weights. Each data set counts the same, however many images
it has, and so do right and wrong candidates in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from backend.evaluation.datasets import LabelledImage
from backend.evaluation.episodes import Episode, Search
from backend.evaluation.exemplars import exemplars
from backend.evaluation.matching import MATCH_IOU
from backend.vision.check import Sight, in_company, surest
from backend.vision.evidence import EvidenceWeights, Weights
from backend.vision.pipeline import Models, SearchOptions, Survey, survey
from backend.vision.prototype import reference_logits

if TYPE_CHECKING:
    from torch import Tensor

RIDGE = 0.03
IOU_OF_NOTHING = 0.3  # a right candidate's target grows from here to 1
IOU_RANGE = 0.5
CUES = tuple(field.name for field in fields(Weights) if field.name != "bias")
IN_COMPANY = tuple(name for name in CUES if name != "sharpness")  # whether blur counts, only reviews can say
AT_FIRST = tuple(name for name in IN_COMPANY if name != "company")


@dataclass(frozen=True, eq=False)
class Studied:
    """The candidates of one image with the truth.

    Attributes:
        labels: of the exemplars.
        sights: as the check sees them.
        ious: for each sight the IoU of every candidate with the true instance of its label that it fits best,
            (n,) float.
    """

    labels: tuple[str, ...]
    sights: tuple[Sight, ...]
    ious: tuple[NDArray[np.float64], ...]


def study(
    models: Models, plan: Sequence[Search], *, options: SearchOptions
) -> Iterator[tuple[Search, Studied]]:
    """Measure the candidates of every search of a data set; nothing is decided."""
    asked = (episode for search in plan for episode in search.episodes)
    shown = exemplars(models, asked, max_tiles=options.max_tiles)
    for search in plan:
        references = [one.reference for episode in search.episodes for one in shown[episode.key]]
        found = survey(models, references, search.image.pixels(), options=options)
        yield search, studied(found, search.image, search.judged)


def studied(found: Survey, image: LabelledImage, judged: Sequence[Episode]) -> Studied:
    """Compare the candidates of one image with the truth.

    Candidates of a label that the image is not judged for are left out.
    """
    labels = tuple(one.label for one in found.exemplars)
    judged_labels = {episode.label for episode in judged}
    sights, ious = [], []
    for one in found.seen:
        if one.sight is None:
            continue
        owners = [labels[index] for index in one.sight.owner.tolist()]
        best = np.full(len(owners), np.nan)
        for label in judged_labels.intersection(owners):
            windows = [one.view.cut(mask) for mask in image.masks(label).values()]
            true = [reference_logits(mask, one.embedding) > 0 for mask in windows if mask.any()]
            mine = [i for i, owner in enumerate(owners) if owner == label]
            best[mine] = _best_ious([one.sight.candidates[i].mask for i in mine], true)
        sights.append(one.sight.without_masks())
        ious.append(best)
    return Studied(labels, tuple(sights), tuple(ious))


def _best_ious(masks: Sequence[Tensor], true: Sequence[Tensor]) -> list[float]:
    """IoU of each mask with the true one that it fits best; 0 if there is none. All (4h, 4w) bool."""
    return [
        max((float((mask & one).sum()) / float((mask | one).sum()) for one in true), default=0.0)
        for mask in masks
    ]


def fitted(datasets: Mapping[str, Sequence[Studied]]) -> EvidenceWeights:
    """Fit both sets of weights.

    Args:
        datasets: what was studied in each data set.
    """
    first = _fit([_rows(images, None) for images in datasets.values()], AT_FIRST)
    second = _fit([_rows(images, first) for images in datasets.values()], IN_COMPANY)
    return EvidenceWeights(first, second)


Rows = tuple[NDArray[np.float64], NDArray[np.float64]]


def _rows(images: Sequence[Studied], first: Weights | None) -> Rows:
    """Cues (n, 10) and targets (n,) in [0, 1] of all candidates; with *first*, in company."""
    tables: list[NDArray[np.float64]] = [np.zeros((0, len(CUES)))]
    targets: list[NDArray[np.float64]] = [np.zeros(0)]
    for image in images:
        sure = surest(image.sights, image.labels, first) if first else {}
        for sight, ious in zip(image.sights, image.ious, strict=True):
            cues = in_company(sight, image.labels, sure) if first else sight.cues
            known = ~np.isnan(ious)
            tables.append(cues.table.double().numpy()[known])
            right = np.clip((ious[known] - IOU_OF_NOTHING) / IOU_RANGE, 0, 1)
            targets.append(np.where(ious[known] >= MATCH_IOU, right, 0.0))
    return np.concatenate(tables), np.concatenate(targets)


def _fit(datasets: Sequence[Rows], names: Sequence[str]) -> Weights:
    """Logistic regression on the cues *names*; the others weigh nothing."""
    columns = [CUES.index(name) for name in names]
    table = np.concatenate([rows[0] for rows in datasets])[:, columns]
    target = np.concatenate([rows[1] for rows in datasets])
    share = np.concatenate([_shares(rows[1]) for rows in datasets]) / len(datasets)
    middle, spread = table.mean(axis=0), table.std(axis=0) + 1e-6
    scaled = np.c_[(table - middle) / spread, np.ones(len(table))]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = scaled @ weights
        value = share @ (np.logaddexp(0, logits) - target * logits) + RIDGE * weights[:-1] @ weights[:-1]
        slope = scaled.T @ (share * (1 / (1 + np.exp(-logits)) - target))
        return float(value), slope + 2 * RIDGE * np.r_[weights[:-1], 0.0]

    best = minimize(loss, np.zeros(len(names) + 1), jac=True, method="L-BFGS-B").x
    weights = best[:-1] / spread
    values = dict.fromkeys(CUES, 0.0) | dict(zip(names, weights.tolist(), strict=True))
    return Weights(**values, bias=float(best[-1] - weights @ middle))


def _shares(target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of each candidate of a data set: right and wrong ones count half each."""
    right = target > 0
    counts = np.where(right, max(int(right.sum()), 1), max(int((~right).sum()), 1))
    return 0.5 / counts


def rounded(weights: EvidenceWeights) -> EvidenceWeights:
    """To two digits, as they are written down."""
    return EvidenceWeights(*(_rounded(one) for one in (weights.first, weights.second)))


def _rounded(weights: Weights) -> Weights:
    return Weights(**{field.name: round(getattr(weights, field.name), 2) for field in fields(weights)})
