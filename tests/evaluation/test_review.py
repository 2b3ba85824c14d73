"""Learning from review, measured: who is corrected, who is scored, and what the columns say."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from backend.evaluation.datasets import Dataset, LabelledImage, load_dataset
from backend.evaluation.episodes import Search, episodes, searches
from backend.evaluation.metrics import Tally
from backend.evaluation.review import (
    Column,
    ReviewReport,
    projects,
    review,
    review_json,
    review_report,
    reviewed,
)
from backend.evaluation.review_table import print_review
from backend.vision.pipeline import SearchOptions
from tests.colour_sam import RED, box_mask, colour_models, drawn

BOX = (2, 4, 24, 24)


def plan_of(folder: Path) -> tuple[Search, ...]:
    """All searches of a data set on disk."""
    return searches(episodes(load_dataset(folder)), labels="all")


@pytest.fixture(name="seven")
def _seven(write_dataset: Callable[..., Path]) -> tuple[Search, ...]:
    """Seven test images of figs, after the reference's."""
    return plan_of(write_dataset({f"i{number}": ("all", {1: "fig"}) for number in range(8)}))


def test_half_of_the_images_are_kept_to_be_scored(seven: tuple[Search, ...]) -> None:
    """Ten were asked for; three are corrected."""
    (project,) = projects(seven, (0, 1, 10))

    assert project.most == 3
    assert len(project.scored) == 4
    assert {search.image.name for search in project.searches} == {f"i{number}" for number in range(1, 8)}


def test_a_draw_is_the_same_every_time_and_another_than_the_next(seven: tuple[Search, ...]) -> None:
    """By the order in which images are corrected."""
    orders = [
        [search.image.name for search in projects(seven, (5,), draw=draw)[0].searches] for draw in (0, 0, 1)
    ]

    assert orders[0] == orders[1] != orders[2]


def test_images_with_other_references_are_another_project(write_dataset: Callable[..., Path]) -> None:
    """Two groups with nuclei of their own; a third image in each is tested."""
    names = [f"{group}{number}" for group in "ab" for number in range(3)]
    plan = plan_of(write_dataset({name: (name[0], {1: "nucleus"}) for name in names}))

    assert [len(one.searches) for one in projects(plan, (1,))] == [2, 2]


def test_a_corrected_image_has_every_true_mask_and_knows_its_own_references(
    write_dataset: Callable[..., Path],
) -> None:
    """Figs have their reference in b, which is a test image of dates."""
    plan = plan_of(
        write_dataset(
            {
                "a": ("all", {1: "date"}),
                "b": ("all", {1: "date", 2: "fig"}),
                "c": ("all", {1: "date", 2: "date", 3: "fig"}),
            }
        )
    )
    by_name = {search.image.name: search for search in plan}

    assert [e.label for e in by_name["b"].episodes] == ["date", "fig"]
    assert reviewed(by_name["b"]).own == {1}
    assert reviewed(by_name["c"]).own == set()
    assert {label: len(masks) for label, masks in reviewed(by_name["c"]).masks.items()} == {
        "date": 2,
        "fig": 1,
    }


def boxes(count: int) -> Dataset:
    """Images with a red box each."""
    ids = box_mask(*BOX).astype("int32")
    return Dataset(
        "boxes",
        tuple(
            LabelledImage(f"i{n}", "-", {1: "box"}, lambda: drawn((*BOX, RED)), lambda: ids)
            for n in range(count)
        ),
    )


def test_no_corrected_image_is_scored_and_all_columns_are_of_the_same_images() -> None:
    """Of four test images two are corrected; what is found rightly stays found."""
    plan = searches(episodes(boxes(5)), labels="all")
    corrected = (0, 1, 5)
    (project,) = projects(plan, corrected)

    steps = list(review(colour_models(), project, corrected, options=SearchOptions()))

    assert [bool(columns) for _, columns in steps] == [False, False, True, True]
    assert [step[0] for step in steps] == list(project.searches)
    scored = [columns for _, columns in steps if columns]
    assert [[one.asked for one in columns] for columns in scored] == [[0, 1, 5]] * 2
    assert all(one.counts == Tally(1, 1, 0, 0, 1.0, 1.0, 1) for columns in scored for one in columns)
    report = review_report("boxes", [project], scored, corrected)
    assert [one.corrected for one in report.columns] == [0, 1, 2]
    assert report.scored == report.columns[0].counts.images == 2


def column(asked: int, corrected: int, *, missed: int) -> Column:
    """Of ten things, so many are missed."""
    return Column(asked, corrected, 0, Tally(true=10, matched=10 - missed, iou_sum=9.0, images=2))


REPORTS = [
    ReviewReport("few", 1, 2, (column(0, 0, missed=4), column(5, 2, missed=2))),
    ReviewReport("many", 2, 2, (column(0, 0, missed=6), column(5, 10, missed=1))),
]


def test_the_table_shows_the_mean_and_what_is_left_of_it() -> None:
    """0.5 falls to 0.15; in one data set there were only two images to be corrected."""
    page = io.StringIO()

    print_review(Console(file=page, width=120), REPORTS)

    written = page.getvalue()
    assert "0.150 (30%)" in written
    assert "few: from column 5 on only 2 images of it are corrected" in written
    assert "many: " not in written


def test_every_figure_is_written() -> None:
    """It survives JSON, and says how much was really corrected."""
    document = json.loads(json.dumps(review_json(REPORTS, {"draw": 0})))

    assert document["mean_effort"] == {"0": 0.5, "5": 0.15}
    last = document["datasets"][0]["columns"][1]
    assert (last["asked"], last["corrected"], last["effort"], last["counts"]["true"]) == (5, 2, 0.2, 10)
