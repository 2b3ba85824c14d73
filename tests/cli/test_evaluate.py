"""``oneshot evaluate`` on the real weights, on a data set of a few coins."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from backend.cli.evaluate import evaluate
from backend.cli.main import main
from backend.evaluation.coins import coin_ids, coins_image
from backend.evaluation.methods import METHODS
from backend.settings import Settings
from backend.vision.parts import PARTS

CROPS = {"a": (slice(4, 90), slice(10, 130)), "b": (slice(88, 152), slice(10, 130))}
BARE = (slice(76, 102), slice(62, 242))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images with two coins each, and one of bare ground."""
    folder = tmp_path_factory.mktemp("data") / "few_coins"
    (folder / "images").mkdir(parents=True)
    (folder / "instances").mkdir()
    entries = {}
    for name, window in {**CROPS, "bare": BARE}.items():
        ids = coin_ids()[window].astype(np.uint8)
        Image.fromarray(coins_image()[window]).save(folder / "images" / f"{name}.png")
        Image.fromarray(ids).save(folder / "instances" / f"{name}.png")
        entries[name] = {"instances": {str(number): "coin" for number in np.unique(ids) if number}}
    (folder / "meta.json").write_text(json.dumps({"images": entries}))
    return folder


@pytest.fixture(scope="module")
def result(dataset: Path, weights: Path) -> Result:  # noqa: ARG001 - fetched before
    """One run with everything written."""
    out = dataset.parent
    arguments = ["--json", str(out / "figures.json"), "--overlays", str(out / "overlays")]
    return CliRunner().invoke(main, ["evaluate", str(dataset), *arguments])


@pytest.mark.weights
def test_it_tells_each_image_and_prints_all_methods(result: Result) -> None:
    assert result.exit_code == 0, result.output
    assert "few_coins 1/2 b: pipeline 2 of 2, 0 false, " in result.output
    assert "few_coins 2/2 bare: pipeline 0 of 0, 0 false, " in result.output
    assert all(f"│ few_coins │ {method}" in result.output for method in METHODS)


@pytest.mark.weights
@pytest.mark.usefixtures("result")
def test_the_figures_are_written_with_what_they_were_taken_with(dataset: Path) -> None:
    figures = json.loads((dataset.parent / "figures.json").read_text())

    methods = figures["datasets"][0]["methods"]
    assert (figures["settings"]["labels"], figures["settings"]["hold_out"]) == ("all", 1)
    assert figures["settings"]["guidance"] == Settings.model_fields["oneshot_guidance"].default
    assert figures["settings"]["persam_guidance"] == "exact"
    assert list(methods) == list(METHODS)
    assert (methods["pipeline"]["f1"], methods["pipeline"]["effort"]) == (1, 0)
    assert methods["pipeline"]["counts"]["absent_false"] == 0
    assert methods["pipeline"]["counts"]["absent_images"] == 1
    assert all(seconds > 0 for seconds in methods["pipeline"]["seconds_per_image"].values())
    assert methods["loop"]["images"][0]["class"] == "coin"
    assert methods["oracle-box"]["f1"] == 1
    assert methods["oracle-box"]["counts"]["absent_false"] == 0
    assert [methods[name]["counts"]["absent_false"] for name in ("persam", "persam-f")] == [1, 1]


@pytest.mark.weights
@pytest.mark.usefixtures("result")
def test_every_run_is_drawn(dataset: Path) -> None:
    pictures = sorted(
        str(p.relative_to(dataset.parent / "overlays")) for p in dataset.parent.rglob("overlays/**/*.png")
    )

    assert pictures == sorted(
        f"few_coins/{method}/{name}.coin.png" for method in METHODS for name in ("b", "bare")
    )


@pytest.mark.weights
@pytest.mark.usefixtures("result")
def test_a_saved_run_can_be_compared_with(dataset: Path) -> None:
    """The same data set once more, by one method that asks no semantic encoder: its figures are the same."""
    saved = dataset.parent / "figures.json"

    result = CliRunner().invoke(
        main,
        ["evaluate", str(dataset), "--method", "oracle-box", "--semantics", "sam", "--against", str(saved)],
    )

    assert result.exit_code == 0, result.output
    assert "Settings that differ: semantics: efficientnet-lite0 then, sam now\n" in result.output
    assert "1.000 (+0.000)" in result.output
    assert "Only measured then: few_coins pipeline, few_coins loop, few_coins persam, few_coins persam-f" in (
        result.output
    )


@pytest.mark.weights
@pytest.mark.usefixtures("result")
def test_an_ablation_measures_the_pipeline_and_each_part_less(dataset: Path) -> None:
    """But for what is left out of all of them; other methods only if they are asked for."""
    figures = dataset.parent / "ablation.json"
    arguments = ["--ablation", "--without", "tiles", "--limit", "1", "--json", str(figures)]

    result = CliRunner().invoke(main, ["evaluate", str(dataset), *arguments])

    assert result.exit_code == 0, result.output
    document = json.loads(figures.read_text())
    parts = [part for part in PARTS if part != "tiles"]
    assert document["settings"]["without"] == ["tiles"]
    assert list(document["datasets"][0]["methods"]) == ["pipeline", *(f"without {part}" for part in parts)]
    rows = result.output.partition("ablation: F1")[2].splitlines()
    assert sum(row.startswith("│ without ") for row in rows) == 2 * len(parts)


def test_a_file_that_is_no_saved_run_is_one_line_before_any_model_is_loaded(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    figures.write_text("[]")

    result = CliRunner().invoke(main, ["evaluate", "coins", "--against", str(figures)])

    assert result.exit_code == 1
    assert "figures.json: expected what `oneshot evaluate --json` writes" in result.output
    assert len(result.output.splitlines()) == 1


def test_the_methods_on_offer_are_the_methods_there_are() -> None:
    """Named in the command without importing torch."""
    option = next(parameter for parameter in evaluate.params if parameter.name == "methods")

    assert list(getattr(option.type, "choices", [])) == list(METHODS)


def test_a_part_that_there_is_not_is_bad_usage_that_names_those_there_are() -> None:
    result = CliRunner().invoke(evaluate, ["coins", "--without", "luck"])

    assert result.exit_code == 2
    assert all(f"'{part}'" in result.output for part in PARTS)


def test_a_data_set_that_is_none_is_one_line_before_any_model_is_loaded(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["evaluate", str(tmp_path)])

    assert result.exit_code == 1
    assert "a data set is `coins`, or a folder with images/NAME.jpg" in result.output
    assert len(result.output.splitlines()) == 1


def test_fewer_images_held_out_than_references_is_bad_usage() -> None:
    result = CliRunner().invoke(main, ["evaluate", "coins", "--references", "3", "--hold-out", "2"])

    assert result.exit_code == 2
    assert "--hold-out: expected at least as many as references, 3, got 2" in result.output


def test_without_a_data_set_it_is_bad_usage() -> None:
    assert CliRunner().invoke(main, ["evaluate"]).exit_code == 2


@pytest.mark.weights
def test_review_scores_what_nobody_corrected(dataset: Path, weights: Path) -> None:  # noqa: ARG001
    """Of two test images one is corrected; the two coins, or the bare ground, are left to be scored."""
    figures = dataset.parent / "review.json"

    told = CliRunner().invoke(
        main, ["evaluate", str(dataset), "--review", "--corrected", "5,1", "--json", str(figures)]
    )

    assert told.exit_code == 0, told.output
    assert "few_coins: from column 5 on only 1 images of it are corrected" in told.output
    document = json.loads(figures.read_text())
    columns = document["datasets"][0]["columns"]
    assert [(one["asked"], one["corrected"]) for one in columns] == [(0, 0), (1, 1), (5, 1)]
    assert document["datasets"][0]["images_scored"] == 1
    assert len({json.dumps(one["counts"]) for one in columns}) == 1
    assert document["settings"]["corrected"] == [0, 1, 5]


@pytest.mark.weights
def test_several_orders_of_correction_are_scored_together(dataset: Path, weights: Path) -> None:  # noqa: ARG001
    """Two test images: in each order one is corrected and one is scored."""
    figures = dataset.parent / "review.json"
    draws = [part for draw in ("0", "1", "2") for part in ("--draw", draw)]

    told = CliRunner().invoke(
        main, ["evaluate", str(dataset), "--review", "--corrected", "1", *draws, "--json", str(figures)]
    )

    assert told.exit_code == 0, told.output
    document = json.loads(figures.read_text())
    (found,) = document["datasets"]
    assert (found["projects"], found["images_scored"]) == (3, 3)
    assert [column["corrected"] for column in found["columns"]] == [0, 3]
    assert document["settings"]["draws"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--review", "--ablation"], "leave out"),
        (["--review", "--corrected", "1,few"], "expected numbers"),
        (["--review", "--corrected", "1,-2"], "expected numbers"),
    ],
)
def test_review_with_what_it_does_not_bear_is_refused(dataset: Path, options: list[str], said: str) -> None:
    """Before anything is loaded."""
    told = CliRunner().invoke(main, ["evaluate", str(dataset), *options])

    assert told.exit_code == 2
    assert said in told.output


def figures_of(dataset: Path, *arguments: str) -> dict[str, Any]:
    """What a run of its own writes."""
    file = dataset.parent / "own.json"
    run = CliRunner().invoke(main, ["evaluate", str(dataset), *arguments, "--json", str(file)])
    assert run.exit_code == 0, run.output
    return dict(json.loads(file.read_text()))


@pytest.mark.weights
def test_a_box_around_the_reference_will_do(dataset: Path, weights: Path) -> None:  # noqa: ARG001 - fetched
    """As with RectangleLabels: nobody painted."""
    figures = figures_of(dataset, "--method", "pipeline", "--reference-as", "box")

    assert figures["settings"]["reference_as"] == "box"
    assert figures["datasets"][0]["methods"]["pipeline"]["f1"] == 1


@pytest.mark.weights
def test_the_mirror_shows_the_same_coins(dataset: Path, weights: Path) -> None:  # noqa: ARG001 - fetched
    """Masks and images turn together, or no coin would be where the truth has it."""
    figures = figures_of(dataset, "--method", "oracle-box", "--mirrored", "both")

    assert figures["settings"]["mirrored"] == "both"
    assert figures["datasets"][0]["methods"]["oracle-box"]["f1"] == 1
