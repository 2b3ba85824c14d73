"""One run against a saved one: what got better, what got worse, and whether they may be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from backend.evaluation.errors import ReportFileError

TOLERANCE = 0.005  # of scores: what is within is no change
SLOWER = 1.2  # times as long, and by more than
SLOWER_S = 0.1  # seconds: what is within is a busy machine's noise
JUDGED_BY = ("labels", "hold_out", "limit")  # settings that decide which images are judged for what
BEFORE_THEY_WERE = {"references": 1, "hold_out": 1}  # settings that older files lack

Key = tuple[str, str]


@dataclass(frozen=True)
class Measured:
    """Figures of one method on one data set.

    Attributes:
        f1: harmonic mean of precision and recall.
        pq: panoptic quality.
        ap: COCO mask AP.
        effort: share of the work that is left.
        absent: instances found on an image that holds none of the class, on average.
        seconds: per image, all stages.
        true: true instances it was judged on.
    """

    f1: float
    pq: float
    ap: float
    effort: float
    absent: float
    seconds: float
    true: float


FIGURES = tuple(field.name for field in fields(Measured) if field.name != "true")
BETTER_BELOW = {"effort", "absent", "seconds"}


@dataclass(frozen=True)
class SavedRun:
    """A run as its JSON holds it.

    Attributes:
        settings: what it was taken with.
        figures: by (data set, method).
    """

    settings: Mapping[str, Any]
    figures: Mapping[Key, Measured]


@dataclass(frozen=True)
class Change:
    """One method on one data set, in both runs."""

    dataset: str
    method: str
    before: Measured
    after: Measured

    def difference(self, figure: str) -> float:
        """How much more it is now."""
        return float(getattr(self.after, figure) - getattr(self.before, figure))

    def worse(self, figure: str) -> bool:
        """Whether it got worse by more than noise."""
        difference = self.difference(figure)
        if figure == "seconds":
            return difference > SLOWER_S and self.after.seconds > SLOWER * self.before.seconds
        return (difference if figure in BETTER_BELOW else -difference) > TOLERANCE

    @property
    def regressions(self) -> tuple[str, ...]:
        """The figures that got worse."""
        return tuple(figure for figure in FIGURES if self.worse(figure))


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        changes: what both measured, in the order of this run.
        only_before: (data set, method) that only the saved run measured.
        only_after: that only this run measured.
        settings: name, before and now of each setting that differs; what one file lacks is not known.
    """

    changes: tuple[Change, ...]
    only_before: tuple[Key, ...]
    only_after: tuple[Key, ...]
    settings: tuple[tuple[str, Any, Any], ...]

    @property
    def judged_alike(self) -> bool:
        """Whether both were judged on the same images and instances, as far as the files tell."""
        same_images = all(name not in JUDGED_BY for name, *_ in self.settings)
        return same_images and all(change.before.true == change.after.true for change in self.changes)


def compare(before: SavedRun, after: SavedRun) -> Comparison:
    """Compare two runs, data set by data set and method by method."""
    old, new = ({**BEFORE_THEY_WERE, **run.settings} for run in (before, after))
    return Comparison(
        changes=tuple(
            Change(*key, before.figures[key], figures)
            for key, figures in after.figures.items()
            if key in before.figures
        ),
        only_before=tuple(key for key in before.figures if key not in after.figures),
        only_after=tuple(key for key in after.figures if key not in before.figures),
        settings=tuple(
            (name, old[name], value) for name, value in new.items() if name in old and old[name] != value
        ),
    )


def read_run(path: Path) -> SavedRun:
    """The run that ``oneshot evaluate --json`` wrote.

    Raises:
        ReportFileError: it cannot be read, or holds something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ReportFileError(f"{path}: cannot be read ({exc.strerror})") from exc
    except ValueError as exc:
        raise ReportFileError(
            f"{path}: expected what `oneshot evaluate --json` writes, not JSON: {exc}"
        ) from exc
    try:
        return saved_run(document)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ReportFileError(
            f"{path}: expected what `oneshot evaluate --json` writes, with `settings` and, per data set and "
            f"method, scores, counts and seconds; {type(exc).__name__}: {exc}"
        ) from exc


def saved_run(document: Mapping[str, Any]) -> SavedRun:
    """A run from its JSON.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is no such JSON.
    """
    figures = {
        (str(dataset["name"]), str(name)): _measured(method)
        for dataset in document["datasets"]
        for name, method in dataset["methods"].items()
    }
    return SavedRun(dict(document["settings"]), figures)


def _measured(method: Mapping[str, Any]) -> Measured:
    """The figures of one method."""
    counts = method["counts"]
    return Measured(
        **{name: float(method[name]) for name in ("f1", "pq", "ap", "effort")},
        absent=counts["absent_false"] / max(counts["absent_images"], 1),
        seconds=float(sum(method["seconds_per_image"].values())),
        true=float(counts["true"]),
    )
