"""``oneshot evaluate``: what the vision core is worth, in figures."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from backend.cli.progress import progress
from backend.settings import Settings
from backend.vision.parts import PARTS, Part

if TYPE_CHECKING:
    from backend.evaluation.comparison import Comparison
    from backend.evaluation.datasets import Dataset
    from backend.evaluation.episodes import Search, Shares
    from backend.evaluation.methods import Method
    from backend.evaluation.mirrored import Mirror
    from backend.evaluation.report import DatasetReport
    from backend.evaluation.review import ReviewReport
    from backend.evaluation.run import ImageRun
    from backend.vision.pipeline import Models, SearchOptions

PIPED_WIDTH = 170
METHOD_NAMES = ("pipeline", "loop", "persam", "persam-f", "oracle-box")


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    datasets: tuple[str, ...]
    labels: Literal["solo", "all"]
    methods: tuple[str, ...]
    search: Literal["loop", "sweep"]
    guidance: Literal["none", "hf", "exact"] | None
    checkpoint: str
    semantics: str
    shares: Shares
    without: tuple[Part, ...]
    ablation: bool
    boxed: bool
    mirror: Mirror | None

    def opened(self) -> list[Dataset]:
        """The data sets, as they are or in the mirror."""
        from backend.evaluation.datasets import open_dataset
        from backend.evaluation.mirrored import mirrored

        opened = [open_dataset(name) for name in self.datasets]
        return [mirrored(dataset, self.mirror) for dataset in opened] if self.mirror else opened


def _numbers(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """Numbers of corrected images in rising order, each once; 0 is always among them."""
    try:
        found = {int(part) for part in value.split(",")}
    except ValueError:
        found = {-1}
    if min(found) < 0:
        raise click.BadParameter(f"expected numbers like 0,1,2,5, got {value!r}", context, parameter)
    return tuple(sorted(found | {0}))


@click.command()
@click.argument("datasets", nargs=-1, required=True, metavar="DATASET...")
@click.option(
    "--labels",
    type=click.Choice(["all", "solo"]),
    default="all",
    show_default=True,
    help="References of all labels compete on each image, or one label is searched at a time.",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(METHOD_NAMES),
    help="What to measure; repeats. `loop`: the search loop without the semantic check; `persam` and "
    "`persam-f`: the published algorithms for one object; `oracle-box`: SAM given true boxes. [default: all]",
)
@click.option(
    "--search", type=click.Choice(["loop", "sweep"]), help="The pipeline's search [ONESHOT_SEARCH]."
)
@click.option(
    "--guidance",
    type=click.Choice(["none", "hf", "exact"]),
    help="Target guidance [ONESHOT_GUIDANCE; persam: exact].",
)
@click.option(
    "--checkpoint", help="`mobilesam`, or a transformers SAM checkpoint: hub id or folder [ONESHOT_SAM]."
)
@click.option(
    "--semantics",
    help="The semantic encoder: `efficientnet-lite0`, `sam`, or a transformers checkpoint: hub id or folder "
    "[ONESHOT_SEMANTICS].",
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all figures."
)
@click.option(
    "--overlays", type=click.Path(path_type=Path, file_okay=False), help="Draw found, false and missed."
)
@click.option(
    "--references",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="References per label: one instance of each of the first images that hold it.",
)
@click.option(
    "--reference-as",
    type=click.Choice(["mask", "box"]),
    default="mask",
    show_default=True,
    help="What is shown of the reference: its mask, or only the box around it, as with RectangleLabels.",
)
@click.option(
    "--mirrored",
    "mirror",
    type=click.Choice(["left-right", "up-down", "both"]),
    help="Mirror all images and masks: another draw of the same data. By what figures differ between draws, "
    "they are chance.",
)
@click.option(
    "--hold-out",
    type=click.IntRange(min=1),
    help="The first images that hold a label are no test images; with 3, one reference and three are judged "
    "on the same images. [default: as many as references]",
)
@click.option(
    "--against",
    "saved",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Compare with a run that --json wrote, and say what got worse.",
)
@click.option("--limit", type=click.IntRange(min=1), help="At most that many test images per class.")
@click.option(
    "--without",
    multiple=True,
    type=click.Choice(PARTS),
    help="Leave out a part of the pipeline's search; repeats.",
)
@click.option(
    "--ablation",
    is_flag=True,
    help="Measure the pipeline also without each of its parts, and no other method but those that --method "
    "names.",
)
@click.option(
    "--review",
    is_flag=True,
    help="Learning from review: somebody corrects test image after test image, what is learned from them is "
    "measured on the rest. The pipeline only.",
)
@click.option(
    "--corrected",
    default="0,1,2,5,10",
    show_default=True,
    metavar="N,N,...",
    callback=_numbers,
    help="With --review: after so many corrected images.",
)
@click.option(
    "--draw",
    "draws",
    type=click.IntRange(min=0),
    multiple=True,
    default=(0,),
    show_default=True,
    help="With --review: another number draws another order of correction; repeats: all orders together.",
)
def evaluate(
    *,
    datasets: tuple[str, ...],
    labels: Literal["solo", "all"],
    methods: tuple[str, ...],
    search: Literal["loop", "sweep"] | None,
    guidance: Literal["none", "hf", "exact"] | None,
    checkpoint: str | None,
    semantics: str | None,
    json_file: Path | None,
    overlays: Path | None,
    references: int,
    reference_as: Literal["mask", "box"],
    mirror: Mirror | None,
    hold_out: int | None,
    saved: Path | None,
    limit: int | None,
    without: tuple[Part, ...],
    ablation: bool,
    review: bool,
    corrected: tuple[int, ...],
    draws: tuple[int, ...],
) -> None:
    """Measure on data sets with true masks, one annotated instance per class as reference.

    DATASET is a folder (images/NAME.jpg, instances/NAME.png, meta.json), or `coins`, which is built in.

    Example: oneshot evaluate coins ~/data/fruits_nuts --json figures.json --overlays pictures
    """
    if hold_out is not None and hold_out < references:
        raise click.BadParameter(
            f"expected at least as many as references, {references}, got {hold_out}", param_hint="--hold-out"
        )
    from backend.evaluation.comparison import compare, read_run, saved_run
    from backend.evaluation.episodes import Shares
    from backend.evaluation.report import report_json

    settings = Settings()
    asked = Asked(
        datasets,
        labels,
        _method_names(methods, ablation=ablation),
        search or settings.oneshot_search,
        guidance,
        checkpoint or settings.oneshot_sam,
        semantics or settings.oneshot_semantics,
        Shares(references, hold_out or references, limit),
        tuple(dict.fromkeys(without)),
        ablation,
        reference_as == "box",
        mirror,
    )
    if review:
        if methods or ablation or overlays or saved or asked.boxed:
            raise click.UsageError(
                "--review measures the pipeline alone, from masks: leave out --method, --ablation, "
                "--overlays, --against, --reference-as"
            )
        _review(asked, settings, corrected, draws, json_file)
        return
    before = read_run(saved) if saved else None
    reports = _measure(asked, settings, overlays)
    document = report_json(reports, _taken_with(asked, settings))
    comparison = compare(before, saved_run(document)) if before else None
    _print(reports, comparison, str(saved), ablation=ablation)
    if json_file:
        _write_json(json_file, document)


def _method_names(asked: tuple[str, ...], *, ablation: bool) -> tuple[str, ...]:
    """What to measure, each once: all there is unless something is asked for."""
    if ablation:
        return tuple(dict.fromkeys(("pipeline", *asked)))
    return tuple(dict.fromkeys(asked)) or METHOD_NAMES


def _measure(asked: Asked, settings: Settings, overlays: Path | None) -> list[DatasetReport]:
    """Run everything that was asked for; data sets are checked before the models are loaded."""
    from backend.evaluation.episodes import episodes, searches
    from backend.evaluation.methods import METHODS, without
    from backend.evaluation.report import dataset_report

    opened = asked.opened()
    plans = [searches(episodes(dataset, shares=asked.shares), labels=asked.labels) for dataset in opened]
    models = _models(asked, settings)
    options = _options(asked, settings)
    methods = [METHODS[name].guided(asked.guidance) for name in asked.methods]
    if asked.ablation:
        methods += [without(part) for part in PARTS if part not in asked.without]
    reports = []
    for dataset, plan in zip(opened, plans, strict=True):
        folder = overlays / dataset.name if overlays else None
        reports.append(
            dataset_report(
                dataset.name,
                _runs(dataset.name, models, plan, methods, options, folder, boxed=asked.boxed),
            )
        )
    return reports


def _review(
    asked: Asked,
    settings: Settings,
    corrected: tuple[int, ...],
    draws: tuple[int, ...],
    json_file: Path | None,
) -> None:
    """Measure learning from review, print the tables and write the figures."""
    from rich.console import Console

    from backend.evaluation.episodes import episodes, searches
    from backend.evaluation.review import review_json
    from backend.evaluation.review_table import print_review

    opened = asked.opened()
    plans = [searches(episodes(dataset, shares=asked.shares), labels=asked.labels) for dataset in opened]
    models, options = _models(asked, settings), _options(asked, settings)
    reports = [
        _reviewed(dataset.name, models, plan, corrected, draws, options)
        for dataset, plan in zip(opened, plans, strict=True)
    ]
    console = Console()
    print_review(console if console.is_terminal else Console(width=PIPED_WIDTH), reports)
    if json_file:
        taken_with = _taken_with(asked, settings) | {"corrected": list(corrected), "draws": list(draws)}
        _write_json(json_file, review_json(reports, taken_with))


def _reviewed(
    name: str,
    models: Models,
    plan: tuple[Search, ...],
    corrected: tuple[int, ...],
    draws: tuple[int, ...],
    options: SearchOptions,
) -> ReviewReport:
    """Correct, learn and search one data set, told line by line."""
    from backend.evaluation.review import projects, review, review_report

    shared = [project for draw in draws for project in projects(plan, corrected, draw=draw)]
    images, total = [], len(plan) * len(draws)
    with progress(name, total) as done:
        steps = (step for project in shared for step in review(models, project, corrected, options=options))
        for number, (search, columns) in enumerate(steps, start=1):
            if columns:
                images.append(columns)
            efforts = ", ".join(f"{one.asked}: {one.scores.effort:.2f}" for one in columns)
            done(f"{name} {number}/{total} {search.image.name}: {efforts or 'corrected'}")
    return review_report(name, shared, images, corrected)


def _models(asked: Asked, settings: Settings) -> Models:
    """The networks that were asked for."""
    from backend.worker.models import configured_models

    names = {"oneshot_sam": asked.checkpoint, "oneshot_semantics": asked.semantics}
    return configured_models(settings.model_copy(update=names))


def _options(asked: Asked, settings: Settings) -> SearchOptions:
    """How the pipeline searches: as the settings say, unless something else is asked for."""
    from backend.worker.search_options import search_options

    options = search_options(settings)
    return replace(
        options,
        search=asked.search,
        guidance=asked.guidance or options.guidance,
        without=asked.without,
    )


def _runs(
    name: str,
    models: Models,
    plan: tuple[Search, ...],
    methods: list[Method],
    options: SearchOptions,
    folder: Path | None,
    *,
    boxed: bool,
) -> list[ImageRun]:
    """All runs of one data set, told line by line."""
    from backend.evaluation.run import run_searches
    from backend.evaluation.run_overlays import save_run_overlay

    runs: list[ImageRun] = []
    with progress(name, len(plan)) as done:
        for number, (search, found) in enumerate(
            run_searches(models, plan, methods, options=options, boxed=boxed), start=1
        ):
            for run in found:
                if folder:
                    save_run_overlay(folder, search, run)
            runs += found
            done(f"{name} {number}/{len(plan)} {search.image.name}: {'; '.join(map(_line, found))}")
    return runs


def _line(run: ImageRun) -> str:
    """One run in a few words."""
    true = sum(len(outcome.true) for outcome in run.outcomes)
    matched = sum(len(outcome.match.pairs) for outcome in run.outcomes)
    false = sum(len(outcome.match.false) for outcome in run.outcomes)
    return f"{run.method} {matched} of {true}, {false} false, {sum(run.seconds.values()):.1f} s"


def _print(
    reports: list[DatasetReport], comparison: Comparison | None, saved: str, *, ablation: bool
) -> None:
    """Tables, as wide as the terminal; wide enough for all columns where there is none."""
    from rich.console import Console

    from backend.evaluation.comparison_table import print_comparison
    from backend.evaluation.tables import print_ablation, print_reports

    console = Console()
    console = console if console.is_terminal else Console(width=PIPED_WIDTH)
    print_reports(console, reports)
    if ablation:
        print_ablation(console, reports)
    if comparison:
        print_comparison(console, comparison, saved)


def _taken_with(asked: Asked, settings: Settings) -> dict[str, Any]:
    """What figures were measured with."""
    from backend.evaluation.methods import METHODS

    return {
        "labels": asked.labels,
        **asdict(_options(asked, settings)),
        "without": list(asked.without),  # as it is read again
        "persam_guidance": METHODS["persam"].guided(asked.guidance).guidance,
        "checkpoint": asked.checkpoint,
        "semantics": asked.semantics,
        "reference_as": "box" if asked.boxed else "mask",
        "mirrored": asked.mirror,
        **asdict(asked.shares),
    }


def _write_json(path: Path, document: dict[str, Any]) -> None:
    """Write every figure, with what it was measured with."""
    from backend.evaluation.atomic import write_atomically

    write_atomically(path, json.dumps(document, indent=1).encode() + b"\n")
    click.echo(f"Figures: {path}")
