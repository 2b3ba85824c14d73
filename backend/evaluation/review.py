"""Learning from review, measured: somebody corrects image after image, and the rest is searched again.

The annotator is simulated: a corrected image has all true masks, of every label. Nothing that was corrected
is scored, and all columns are scored on the same images: those that are left when most is corrected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np

from backend.evaluation.episodes import Search
from backend.evaluation.exemplars import exemplars
from backend.evaluation.metrics import Scores, Tally, scores, total
from backend.evaluation.predictions import Found
from backend.evaluation.rle import encode
from backend.evaluation.run import outcome
from backend.vision.learned import Learned
from backend.vision.learning import learn
from backend.vision.pipeline import Models, SearchOptions, Segmentation, find_instances
from backend.vision.reference import Reference
from backend.vision.reviewed import Reviewed

CORRECTED = (0, 1, 2, 5, 10)
MOST_CORRECTED = 2  # one in so many images is corrected at most: the others are left to be scored


@dataclass(frozen=True, eq=False)
class Project:
    """Images that are searched by the same references, in the order in which they are corrected.

    Attributes:
        searches: all of them.
        most: so many of the first are corrected at most, and not scored.
    """

    searches: tuple[Search, ...]
    most: int

    @property
    def scored(self) -> tuple[Search, ...]:
        """The searches that are scored, however many others were corrected."""
        return self.searches[self.most :]


@dataclass(frozen=True)
class Column:
    """What the rest looks like after so many images were corrected.

    Attributes:
        asked: corrected images that were asked for.
        corrected: those that there were, over all projects of the data set.
        learned: projects that learned something from them.
        counts: over all images that are scored.
    """

    asked: int
    corrected: int
    learned: int
    counts: Tally

    @property
    def scores(self) -> Scores:
        """Over all images that are scored."""
        return scores(self.counts)


@dataclass(frozen=True)
class ReviewReport:
    """One data set, column by column.

    Attributes:
        dataset: its name.
        projects: images with the same references are a project of their own.
        scored: images.
        columns: by rising number of corrected images.
    """

    dataset: str
    projects: int
    scored: int
    columns: tuple[Column, ...]


def projects(plan: Sequence[Search], corrected: Sequence[int], *, draw: int = 0) -> tuple[Project, ...]:
    """Share a plan out to projects, and say in which order each is corrected.

    Args:
        plan: all searches of a data set.
        corrected: numbers of corrected images that are asked for.
        draw: another one gives another order, at random.
    """
    shared: dict[tuple[tuple[str, str], ...], list[Search]] = {}
    for search in plan:
        shared.setdefault(tuple(episode.key for episode in search.episodes), []).append(search)
    found = []
    for searches in shared.values():
        order = np.random.default_rng(draw).permutation(len(searches)).tolist()
        most = min(max(corrected), len(searches) // MOST_CORRECTED)
        found.append(Project(tuple(searches[i] for i in order), most))
    return tuple(found)


def review(
    models: Models, project: Project, corrected: Sequence[int], *, options: SearchOptions
) -> Iterator[tuple[Search, tuple[Column, ...]]]:
    """Correct, learn and search; an item per image, once everything is learned.

    Args:
        models: the networks.
        project: what is corrected, and what is scored.
        corrected: numbers of corrected images.
        options: how to search.

    Yields:
        The search, and what came of it: nothing for a corrected one, else a column per number.
    """
    shown = exemplars(
        models, (e for search in project.searches for e in search.episodes), max_tiles=options.max_tiles
    )
    references = [one.reference for e in project.searches[0].episodes for one in shown[e.key]]
    counts = [min(asked, project.most) for asked in corrected]
    by_count = {
        count: learn(
            models, references, [reviewed(search) for search in project.searches[:count]], options=options
        )
        for count in sorted(set(counts))
    }
    learned = [by_count[count] for count in counts]
    for search in project.searches[: project.most]:
        yield search, ()
    for search in project.scored:
        yield search, tuple(_columns(models, search, references, corrected, project.most, learned, options))


def _columns(
    models: Models,
    search: Search,
    references: Sequence[Reference],
    corrected: Sequence[int],
    most: int,
    learned: Sequence[Learned],
    options: SearchOptions,
) -> Iterator[Column]:
    """One image after each number of corrections; what was learned alike is searched once."""
    pixels = search.image.pixels()
    counts: dict[str, Tally] = {}
    for asked, lesson in zip(corrected, learned, strict=True):
        key = lesson.to_json()
        if key not in counts:
            found = find_instances(models, references, pixels, options=options, learned=lesson)
            counts[key] = counted(search, found)
        yield Column(asked, min(asked, most), int(lesson != Learned()), counts[key])


def reviewed(search: Search) -> Reviewed:
    """The image as a person leaves it."""
    own = [one.image is search.image for episode in search.episodes for one in episode.references]
    return Reviewed(
        image=search.image.pixels(),
        masks={e.label: tuple(search.image.masks(e.label).values()) for e in search.episodes},
        own=frozenset(number for number, mine in enumerate(own) if mine),
    )


def counted(search: Search, segmentation: Segmentation) -> Tally:
    """What was found in one image, against the truth."""
    found = [
        Found(one.label, encode(one.mask), one.confidence, one.similarity) for one in segmentation.instances
    ]
    return total(
        outcome(
            episode,
            tuple(one for one in found if one.label == episode.label),
            tuple(encode(mask) for mask in search.image.masks(episode.label).values()),
        ).counts
        for episode in search.judged
    )


def review_report(
    dataset: str, reviews: Sequence[Project], images: Sequence[Sequence[Column]], corrected: Sequence[int]
) -> ReviewReport:
    """Sum up the scored images of a data set.

    Args:
        dataset: its name.
        reviews: its projects.
        images: the columns of each scored image.
        corrected: numbers of corrected images.
    """
    columns = tuple(
        Column(
            asked,
            sum(min(asked, one.most) for one in reviews),
            sum(one[number].learned for one in images),
            total(one[number].counts for one in images),
        )
        for number, asked in enumerate(corrected)
    )
    return ReviewReport(dataset, len(reviews), len(images), columns)


def mean_effort(reports: Sequence[ReviewReport], number: int) -> float:
    """Mean effort of the data sets in one column."""
    return fmean(report.columns[number].scores.effort for report in reports)


def review_json(reports: Sequence[ReviewReport], settings: dict[str, Any]) -> dict[str, Any]:
    """Everything measured, as JSON can hold it."""
    asked = [column.asked for column in reports[0].columns]
    return {
        "settings": settings,
        "datasets": [
            {
                "name": report.dataset,
                "projects": report.projects,
                "images_scored": report.scored,
                "columns": [
                    {
                        "asked": one.asked,
                        "corrected": one.corrected,
                        "images_judged_by_lessons": one.learned,
                        **{name: round(value, 4) for name, value in asdict(one.scores).items()},
                        "counts": asdict(one.counts),
                    }
                    for one in report.columns
                ],
            }
            for report in reports
        ],
        "mean_effort": {
            str(count): round(mean_effort(reports, number), 4) for number, count in enumerate(asked)
        },
    }
