"""What is drawn of a run: every kind in its colour, in an order that hides nothing, with the references."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.evaluation.datasets import Dataset, LabelledImage
from backend.evaluation.episodes import Search, Shares, episodes, searches
from backend.evaluation.page import REFERENCE_COLOUR
from backend.evaluation.predictions import Found
from backend.evaluation.rle import encode
from backend.evaluation.run import ImageRun, outcome
from backend.evaluation.run_overlays import FALSE, LOOSE, MATCHED, MISSED, run_marks, save_run_overlay

SECONDS = {"encode": 1.0, "search": 1.0, "check": 1.0}


def box(left: int, right: int) -> NDArray[np.bool_]:
    """Ten rows of an image of 40 x 60."""
    mask = np.zeros((40, 60), dtype=np.bool_)
    mask[5:15, left:right] = True
    return mask


def image(name: str, *, holds: bool = True) -> LabelledImage:
    """Two figs side by side on grey, or bare ground."""
    classes = {1: "fig", 2: "fig"} if holds else {}
    ids = (box(0, 20) * 1 + box(30, 40) * 2).astype(np.int32) if holds else np.zeros((40, 60), np.int32)
    grey = np.full((40, 60, 3), 128, np.uint8)
    return LabelledImage(name, "g", classes, lambda: grey, lambda: ids)


def planned(*, references: int = 1) -> list[Search]:
    """Searches of c, and of d, where nothing is."""
    images = (*map(image, "abc"), image("d", holds=False))
    shares = Shares(references=references, hold_out=2)
    return list(searches(episodes(Dataset("d", images), shares=shares), labels="all"))


def run(search: Search, *found: NDArray[np.bool_]) -> ImageRun:
    """One run that found these as figs."""
    instances = tuple(Found("fig", encode(mask), 0.9, 0.8) for mask in found)
    true = tuple(encode(mask) for mask in search.image.masks("fig").values())
    return ImageRun(search.image.name, "loop", (outcome(search.judged[0], instances, true),), SECONDS, 1.0)


def reference_pixels(sheet: Path) -> int:
    """How much of a page is in the colour of references."""
    return int((np.asarray(Image.open(sheet)) == REFERENCE_COLOUR).all(axis=2).sum())


def test_every_kind_has_its_colour_and_only_what_is_missed_is_hatched() -> None:
    marks = run_marks(run(planned()[0], box(0, 13), box(45, 60)))

    assert [(mark.colour, mark.hatched) for mark in marks] == [(MISSED, True), (FALSE, False), (LOOSE, False)]


def test_found_lies_above_false_and_small_above_large() -> None:
    """One class after the other, the false masks of the second would hide what was found of the first."""
    search = planned()[0]
    first, second = run(search, box(0, 20), box(0, 60), box(50, 55)), run(search, box(30, 40), box(0, 50))

    marks = run_marks(ImageRun("c", "loop", (*first.outcomes, *second.outcomes), SECONDS, 1.0))

    false, found = [m for m in marks if m.colour == FALSE], [m for m in marks if m.colour == MATCHED]
    assert marks[-2:] == found
    assert [int(mark.mask.sum()) for mark in false] == [600, 500, 50]


def test_all_references_of_a_label_stand_beside_the_overlay(tmp_path: Path) -> None:
    """Twice as many are each drawn smaller, but the colour of references covers more."""
    one, two = planned(references=1)[0], planned(references=2)[0]

    sheets = [
        save_run_overlay(tmp_path / str(number), search, run(search, box(0, 20)))
        for number, search in enumerate((one, two))
    ]

    assert [sheet.relative_to(tmp_path).as_posix() for sheet in sheets] == [
        "0/loop/c.fig.png",
        "1/loop/c.fig.png",
    ]
    assert reference_pixels(sheets[1]) > 1.5 * reference_pixels(sheets[0]) > 0


def test_where_nothing_is_the_page_shows_what_was_looked_for(tmp_path: Path) -> None:
    bare = planned()[1]

    sheet = save_run_overlay(tmp_path, bare, run(bare))

    assert reference_pixels(sheet) > 0
