"""Overlays of an evaluation: what was found, missed and false, with the references beside it."""

from pathlib import Path

from backend.evaluation.atomic import write_atomically
from backend.evaluation.episodes import Search
from backend.evaluation.metrics import GOOD_IOU
from backend.evaluation.overlays import Colour, Mark, draw_marks
from backend.evaluation.page import Shot, page, png_bytes
from backend.evaluation.rle import decode
from backend.evaluation.run import ImageRun, Outcome

MATCHED: Colour = (46, 204, 113)
LOOSE: Colour = (241, 196, 15)
FALSE: Colour = (231, 60, 60)
MISSED: Colour = (70, 140, 255)
LEGEND = "green: found, yellow: found with IoU < 0.8, red: false, blue stripes: missed"


def save_run_overlay(folder: Path, search: Search, run: ImageRun) -> Path:
    """Draw one run into ``folder/METHOD/IMAGE.png``, or ``IMAGE.LABEL.png`` when labels are searched singly.

    Raises:
        OutputFileError: the folder cannot be written to.
    """
    overlay = draw_marks(search.image.pixels(), run_marks(run))
    sheet = page(overlay, _shots(search, run), title=_title(run), subtitle=LEGEND)
    solo = f".{search.episodes[0].label}" if len(search.episodes) == 1 else ""
    target = folder / run.method / f"{run.image}{solo}.png".replace("/", "_")
    write_atomically(target, png_bytes(sheet))
    return target


def run_marks(run: ImageRun) -> list[Mark]:
    """The marks of all classes: missed below false below found, and of each kind the small ones on top."""
    marks = [mark for outcome in run.outcomes for mark in outcome_marks(outcome)]
    layers = {MISSED: 0, FALSE: 1, LOOSE: 2, MATCHED: 2}
    return sorted(marks, key=lambda mark: (layers[mark.colour], -int(mark.mask.sum())))


def outcome_marks(outcome: Outcome) -> list[Mark]:
    """The missed instances of a class, the false ones and the found ones."""
    missed = [
        Mark(decode(outcome.true[number]), MISSED, (f"{outcome.label} missed", outcome.label), hatched=True)
        for number in outcome.match.missed
    ]
    false = [
        Mark(decode(outcome.found[number].rle), FALSE, _tags(outcome, number))
        for number in outcome.match.false
    ]
    matched = [
        Mark(decode(outcome.found[number].rle), MATCHED if iou >= GOOD_IOU else LOOSE, _tags(outcome, number))
        for number, _, iou in outcome.match.pairs
    ]
    return [*missed, *false, *matched]


def _tags(outcome: Outcome, number: int) -> tuple[str, ...]:
    """Class and confidence, or as much of it as fits."""
    confidence = f"{outcome.found[number].confidence:.2f}"
    return f"{outcome.label} {confidence}", confidence


def _title(run: ImageRun) -> str:
    """Image, method and counts."""
    counts = [outcome.match for outcome in run.outcomes]
    found, false, missed = (
        sum(len(getattr(match, name)) for match in counts) for name in ("pairs", "false", "missed")
    )
    return f"{run.image}, {run.method}: {found} found, {false} false, {missed} missed"


def _shots(search: Search, run: ImageRun) -> list[Shot]:
    """The references of what is there or was found; of all that was looked for, where neither is anything."""
    seen = {(outcome.group, outcome.label) for outcome in run.outcomes if outcome.true or outcome.found}
    shown = [episode for episode in search.episodes if episode.key in seen] or search.episodes
    return [
        Shot(reference.image.pixels(), (reference.mask(episode.label),), episode.label)
        for episode in shown
        for reference in episode.references
    ]
