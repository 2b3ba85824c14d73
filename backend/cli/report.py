"""``oneshot report``: how much of the predictions people kept, and the masks that they reviewed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backend.cli.progress import progress
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.evaluation.reviewed_masks import ReviewedImage, SizeOf
    from backend.jobs.agreement import ProjectAgreement
    from backend.labelstudio.client import LabelStudio, Project
    from backend.labelstudio.label_config import Control

PIPED_WIDTH = 150
OUTPUT = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option(
    "--project", required=True, type=click.IntRange(1, 2**63 - 1), help="Id of the Label Studio project."
)
@click.option("--json", "json_file", type=OUTPUT, help="Write all figures.")
@click.option("--coco", "coco_file", type=OUTPUT, help="Write the reviewed masks in COCO's format.")
@click.option("--csv", "csv_file", type=OUTPUT, help="Write the reviewed masks, one a line.")
def report(*, project: int, json_file: Path | None, coco_file: Path | None, csv_file: Path | None) -> None:
    """Say how much of the predictions people kept, by generation and label.

    A review is an annotation that was made from one of our predictions and submitted. Everything is read from
    Label Studio, with the settings of a worker; nothing is changed. Exits 0, also when nothing is reviewed
    yet, 1 if the project cannot be read, 2 for bad usage.

    Example: oneshot report --project 2 --coco reviewed.json
    """
    from backend.jobs.agreement import agreement_figures
    from backend.labelstudio.client import LabelStudio
    from backend.labelstudio.label_config import all_labels, image_controls

    settings = Settings()
    api_key = settings.label_studio_api_key.get_secret_value()
    with LabelStudio(
        settings.label_studio_url, api_key, timeout_s=settings.oneshot_fetch_timeout_s
    ) as client:
        found = client.project(project)
        controls = image_controls(found.label_config)
        agreement, images = _read(settings, client, found, controls, with_masks=bool(coco_file or csv_file))
    _print(agreement, found)
    if json_file:
        document = {"project": project, "title": found.title, **agreement_figures(agreement)}
        _write("Figures", json_file, json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n")
    if coco_file or csv_file:
        _export(images, found, all_labels(controls), coco_file, csv_file)


def _read(
    settings: Settings,
    client: LabelStudio,
    project: Project,
    controls: tuple[Control, ...],
    *,
    with_masks: bool,
) -> tuple[ProjectAgreement, list[ReviewedImage]]:
    """Read and compare all reviews."""
    from backend.evaluation.reviews import Reviews
    from backend.labelstudio.reviewed_tasks import iter_reviews

    reviews = Reviews(controls, size_of=_size_of(settings, client) if with_masks else None)
    count, _ = client.last_reviewable(project.id)
    with progress(f"project {project.id}", count) as done:
        for _, of_task in iter_reviews(client, project.id):
            reviews.take(of_task)
            done("")
    return reviews.agreement(), reviews.images


def _size_of(settings: Settings, client: LabelStudio) -> SizeOf:
    """Give a function that fetches an image for its height and width."""
    from backend.worker.images import image_fetcher

    fetcher = image_fetcher(settings, client.authorisation)

    def size_of(address: str, task_id: int) -> tuple[int, int]:
        return fetcher.image(address, task_id=task_id).size_hw

    return size_of


def _print(agreement: ProjectAgreement, project: Project) -> None:
    """Print the table, as wide as the terminal or as it needs, and what could not be counted."""
    from rich.console import Console

    from backend.evaluation.agreement_report import agreement_table

    for problem in agreement.problems:
        click.echo(f"left out: {problem}", err=True)
    if not agreement.generations:
        click.echo(f"project {project.id}: no prediction of ours was reviewed yet")
        return
    console = Console()
    console = console if console.is_terminal else Console(width=PIPED_WIDTH)
    console.print(agreement_table(agreement, title=f"{project.title or 'project'} ({project.id})"))


def _export(
    images: list[ReviewedImage],
    project: Project,
    labels: tuple[str, ...],
    coco_file: Path | None,
    csv_file: Path | None,
) -> None:
    from backend.evaluation.reviewed_masks import coco_document, csv_document

    told = f"{sum(len(image.masks) for image in images)} masks of {len(images)} images"
    if coco_file:
        description = f"reviewed masks of project {project.id}, {project.title}"
        _write(told, coco_file, coco_document(images, labels, description=description))
    if csv_file:
        _write(told, csv_file, csv_document(images))


def _write(what: str, path: Path, content: bytes) -> None:
    from backend.evaluation.atomic import write_atomically

    write_atomically(path, content)
    click.echo(f"{what}: {path}")
