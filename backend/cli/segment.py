"""``oneshot segment``: one mask in, everything like it out, without any server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from backend.cli.progress import progress
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.evaluation.segment import ReferenceFile

DEFAULT_LABEL = "object"


@click.command()
@click.option(
    "--reference",
    "references",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    metavar="IMG",
    help="Image with an annotated object; repeats with --mask.",
)
@click.option(
    "--mask",
    "masks",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    metavar="PNG",
    help="Its mask: non-zero is object, several values are several instances.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME",
    help=f"What the object is called: once for all references, or one each. [default: {DEFAULT_LABEL}]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Folder for predictions.json and overlays/NAME.png.",
)
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE...")
def segment(
    *,
    references: tuple[Path, ...],
    masks: tuple[Path, ...],
    labels: tuple[str, ...],
    out: Path,
    images: tuple[Path, ...],
) -> None:
    """Find everything in each IMAGE that is like the annotated object.

    Writes DIR/predictions.json (COCO) and a picture per image. Finding nothing is a normal answer; an image
    that cannot be read does not stop the others, and makes the command end with 1.

    Example: oneshot segment --reference coin.jpg --mask coin.png --label coin --out found *.jpg
    """
    failed = _segment(_reference_files(references, masks, labels), images, out)
    if failed:
        raise click.ClickException(f"{failed} of {len(images)} images could not be segmented, see above")


def _reference_files(
    references: tuple[Path, ...], masks: tuple[Path, ...], labels: tuple[str, ...]
) -> list[ReferenceFile]:
    """One reference per --reference, with the mask and the label at the same place."""
    from backend.evaluation.segment import ReferenceFile

    if len(references) != len(masks):
        raise click.UsageError(
            f"expected a --mask for each --reference, got {len(references)} references and {len(masks)} masks"
        )
    if len(labels) > 1 and len(labels) != len(references):
        raise click.UsageError(
            f"expected one --label, or one for each of {len(references)} references, got {len(labels)}"
        )
    if not all(label.strip() for label in labels):
        raise click.UsageError("expected a --label that is not empty")
    each = labels if len(labels) == len(references) else (labels or (DEFAULT_LABEL,)) * len(references)
    return [
        ReferenceFile(image, mask, label) for image, mask, label in zip(references, masks, each, strict=True)
    ]


def _segment(files: list[ReferenceFile], images: tuple[Path, ...], out: Path) -> int:
    """Segment all images, say what came of each, and return how many failed."""
    from backend.evaluation.segment import Failed, read_shots, segment_files, summary
    from backend.worker.images import image_limits
    from backend.worker.models import configured_models
    from backend.worker.search_options import search_options

    settings = Settings()
    limits = image_limits(settings)
    shots = read_shots(files, limits=limits)
    models = configured_models(settings)
    options = search_options(settings)
    failed = 0
    with progress("segment", len(images)) as done:
        for result in segment_files(models, shots, images, out, options=options, limits=limits):
            if isinstance(result, Failed):
                failed += 1
                done(f"{result.file_name}: failed: {result.reason}")
            else:
                done(f"{result.file_name}: {summary(result)}")
    click.echo(f"Written: {out / 'predictions.json'}")
    return failed
