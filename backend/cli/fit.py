"""``oneshot fit``: learn how much each cue of the check counts, and what that is worth on unseen data."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from backend.cli.progress import progress
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.evaluation.datasets import Dataset
    from backend.evaluation.episodes import Search
    from backend.evaluation.fit import Studied
    from backend.evaluation.report import DatasetReport
    from backend.vision.evidence import EvidenceWeights
    from backend.vision.pipeline import Models, SearchOptions


@click.command()
@click.argument("datasets", nargs=-1, required=True, metavar="DATASET...")
@click.option("--labels", type=click.Choice(["all", "solo"]), default="all", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="At most that many test images per class.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write weights and figures."
)
@click.option(
    "--leave-one-out/--no-leave-one-out",
    default=True,
    help="Also judge each data set by weights that were fitted to the others only.",
)
def fit(
    *,
    datasets: tuple[str, ...],
    labels: Literal["all", "solo"],
    limit: int | None,
    json_file: Path | None,
    leave_one_out: bool,
) -> None:
    """Fit the weights of the evidence to data sets with true masks.

    Prints the weights, and for each data set the scores under the weights that were fitted to all of the
    others: what a data set that nobody has seen may expect.

    Example: oneshot fit coins ~/data/fruits_nuts ~/data/mandarins
    """
    from backend.evaluation.datasets import open_dataset
    from backend.evaluation.episodes import Shares, episodes, searches
    from backend.evaluation.fit import fitted, rounded
    from backend.worker.models import configured_models
    from backend.worker.search_options import search_options

    settings = Settings()
    opened = [open_dataset(name) for name in datasets]
    plans = [searches(episodes(one, shares=Shares(limit=limit)), labels=labels) for one in opened]
    models = configured_models(settings)
    options = search_options(settings)
    found = {one.name: _study(one, plan, models, options) for one, plan in zip(opened, plans, strict=True)}
    weights = rounded(fitted(found))
    reports = []
    for one, plan in zip(opened, plans, strict=True):
        others = {name: images for name, images in found.items() if name != one.name}
        if leave_one_out and others:
            options = replace(options, weights=rounded(fitted(others)))
            reports.append(_judge(one, plan, models, options))
    _tell(weights, reports, json_file)


def _study(
    dataset: Dataset, plan: tuple[Search, ...], models: Models, options: SearchOptions
) -> list[Studied]:
    """Measure the candidates of one data set, told line by line."""
    from backend.evaluation.fit import study

    images = []
    with progress(dataset.name, len(plan)) as done:
        for number, (search, one) in enumerate(study(models, plan, options=options), start=1):
            images.append(one)
            count = sum(len(ious) for ious in one.ious)
            done(f"{dataset.name} {number}/{len(plan)} {search.image.name}: {count} candidates")
    return images


def _judge(
    dataset: Dataset, plan: tuple[Search, ...], models: Models, options: SearchOptions
) -> DatasetReport:
    """Evaluate the pipeline on one data set with the weights in *options*."""
    from backend.evaluation.methods import METHODS
    from backend.evaluation.report import dataset_report
    from backend.evaluation.run import run_searches

    runs = []
    with progress(f"{dataset.name} left out", len(plan)) as done:
        for search, some in run_searches(models, plan, [METHODS["pipeline"]], options=options):
            runs += some
            done(f"{dataset.name} left out: {search.image.name}")
    return dataset_report(dataset.name, runs)


def _tell(weights: EvidenceWeights, reports: list[DatasetReport], json_file: Path | None) -> None:
    """Print the weights and the table of what was left out."""
    from rich.console import Console

    from backend.evaluation.atomic import write_atomically
    from backend.evaluation.report import report_json
    from backend.evaluation.tables import print_reports

    for name, one in asdict(weights).items():
        click.echo(f"{name}: " + ", ".join(f"{cue} {value:g}" for cue, value in one.items()))
    if reports:
        click.echo("Each data set with weights that were fitted to the others only:")
        print_reports(Console(width=170), reports)
    if json_file:
        figures: dict[str, Any] = {"weights": asdict(weights)}
        if reports:
            figures |= report_json(reports, {"left_out": True})
        write_atomically(json_file, json.dumps(figures, indent=1).encode() + b"\n")
