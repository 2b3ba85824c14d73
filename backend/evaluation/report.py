"""From the runs of a data set to its report: figures per class and in all, as values and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from backend.evaluation.average_precision import Scored, average_precision
from backend.evaluation.metrics import Scores, Tally, scores, total
from backend.evaluation.run import ImageRun
from backend.evaluation.trust import Trust, trust

STAGES = ("encode", "search", "check")


@dataclass(frozen=True)
class Figures:
    """What is measured on any number of images.

    Attributes:
        counts: what the scores are made of.
        scores: precision, recall, F1, PQ, mean IoU and effort.
        ap: COCO mask AP; mean over the classes.
    """

    counts: Tally
    scores: Scores
    ap: float


@dataclass(frozen=True)
class MethodReport:
    """One method on one data set.

    Attributes:
        method: its name.
        classes: figures by (group, class).
        overall: figures over all of them.
        seconds: per image, by stage.
        images: images searched.
        trust: how far its confidences and scores can be trusted.
    """

    method: str
    classes: dict[tuple[str, str], Figures]
    overall: Figures
    seconds: dict[str, float]
    images: int
    trust: Trust


@dataclass(frozen=True)
class DatasetReport:
    """All methods on one data set, and the runs they come from."""

    dataset: str
    methods: tuple[MethodReport, ...]
    runs: tuple[ImageRun, ...]


def dataset_report(dataset: str, runs: Sequence[ImageRun]) -> DatasetReport:
    """Sum up the runs of one data set, method by method in the order of their first run."""
    names = dict.fromkeys(run.method for run in runs)
    reports = tuple(_method_report(name, [run for run in runs if run.method == name]) for name in names)
    return DatasetReport(dataset, reports, tuple(runs))


def _method_report(method: str, runs: Sequence[ImageRun]) -> MethodReport:
    """Figures of one method."""
    keys = sorted({(outcome.group, outcome.label) for run in runs for outcome in run.outcomes})
    precision = average_precision(_scored(runs))
    classes = {key: _class_figures(key, runs, precision) for key in keys}
    counts = total(figures.counts for figures in classes.values())
    overall = Figures(counts, scores(counts), fmean(precision.values()) if precision else 0.0)
    images = len({run.image for run in runs})
    seconds = {stage: sum(run.seconds[stage] for run in runs) / images for stage in STAGES}
    return MethodReport(method, classes, overall, seconds, images, trust(runs))


def _class_figures(
    key: tuple[str, str], runs: Sequence[ImageRun], precision: dict[tuple[str, str], float]
) -> Figures:
    """Figures of one class in one group."""
    counts = total(
        outcome.counts for run in runs for outcome in run.outcomes if (outcome.group, outcome.label) == key
    )
    return Figures(counts, scores(counts), precision.get(key, 0.0))


def _scored(runs: Sequence[ImageRun]) -> list[Scored]:
    """The outcomes on test images, as COCO's AP takes them."""
    return [
        Scored(
            run.image,
            (outcome.group, outcome.label),
            [(found.rle, found.confidence) for found in outcome.found],
            outcome.true,
        )
        for run in runs
        for outcome in run.outcomes
        if outcome.true
    ]


def mean_scores(reports: Sequence[DatasetReport], method: str) -> dict[str, float]:
    """Mean over the data sets of each score of a method, with its AP and its seconds."""
    found = [report for dataset in reports for report in dataset.methods if report.method == method]
    rows = [{**asdict(r.overall.scores), "ap": r.overall.ap, **r.seconds} for r in found]
    return {name: fmean(row[name] for row in rows) for name in rows[0]}


def report_json(reports: Sequence[DatasetReport], settings: dict[str, Any]) -> dict[str, Any]:
    """Everything measured, as JSON can hold it; masks are left out."""
    methods = list(dict.fromkeys(report.method for dataset in reports for report in dataset.methods))
    return {
        "settings": settings,
        "datasets": [_dataset_json(report) for report in reports],
        "mean": {method: _rounded(mean_scores(reports, method)) for method in methods},
    }


def _dataset_json(report: DatasetReport) -> dict[str, Any]:
    """One data set."""
    return {
        "name": report.dataset,
        "methods": {
            method.method: {
                **_figures_json(method.overall),
                "images_searched": method.images,
                "seconds_per_image": _rounded(method.seconds),
                "trust": asdict(method.trust),
                "classes": [
                    {"group": group, "class": label, **_figures_json(figures)}
                    for (group, label), figures in method.classes.items()
                ],
                "images": [
                    row for run in report.runs if run.method == method.method for row in _image_json(run)
                ],
            }
            for method in report.methods
        },
    }


def _figures_json(figures: Figures) -> dict[str, Any]:
    """Scores and counts side by side."""
    return {**_rounded({**asdict(figures.scores), "ap": figures.ap}), "counts": asdict(figures.counts)}


def _image_json(run: ImageRun) -> list[dict[str, Any]]:
    """One row per class judged on an image."""
    return [
        {
            "image": run.image,
            "group": outcome.group,
            "class": outcome.label,
            "true": len(outcome.true),
            "matched": len(outcome.match.pairs),
            "false": len(outcome.match.false),
            "missed": len(outcome.match.missed),
            "ious": [round(iou, 4) for *_, iou in outcome.match.pairs],
            "matched_confidences": [
                round(outcome.found[number].confidence, 4) for number, *_ in outcome.match.pairs
            ],
            "false_confidences": [
                round(outcome.found[number].confidence, 4) for number in outcome.match.false
            ],
        }
        for outcome in run.outcomes
    ]


def _rounded(values: dict[str, float]) -> dict[str, float]:
    """To four digits: more would only be noise."""
    return {name: round(value, 4) for name, value in values.items()}
