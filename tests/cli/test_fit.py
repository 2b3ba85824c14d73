"""``oneshot fit`` on the real weights, on two data sets of a few coins."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from backend.cli.main import main
from backend.evaluation.coins import coin_ids, coins_image
from backend.vision.evidence import FITTED, Weights

CROPS = {
    "upper": ((slice(4, 90), slice(10, 130)), (slice(4, 90), slice(125, 250))),
    "lower": ((slice(88, 152), slice(10, 130)), (slice(88, 152), slice(125, 250))),
}


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two data sets of two images with a few coins each; the first image of each is the reference."""
    return [few_coins(tmp_path_factory.mktemp("data") / name, CROPS[name]) for name in CROPS]


def few_coins(folder: Path, windows: tuple[tuple[slice, slice], ...]) -> Path:
    """Write cuttings of coins() as a data set."""
    (folder / "images").mkdir(parents=True)
    (folder / "instances").mkdir()
    entries = {}
    for name, window in zip("ab", windows, strict=True):
        ids = coin_ids()[window].astype(np.uint8)
        Image.fromarray(coins_image()[window]).save(folder / "images" / f"{name}.png")
        Image.fromarray(ids).save(folder / "instances" / f"{name}.png")
        entries[name] = {"instances": {str(number): "coin" for number in np.unique(ids) if number}}
    (folder / "meta.json").write_text(json.dumps({"images": entries}))
    return folder


@pytest.fixture(scope="module")
def result(datasets: list[Path], weights: Path) -> Result:  # noqa: ARG001 - fetched before
    """One run with everything written."""
    figures = datasets[0].parent / "figures.json"
    return CliRunner().invoke(main, ["fit", *map(str, datasets), "--json", str(figures)])


@pytest.mark.weights
def test_it_tells_each_image_the_weights_and_what_they_are_worth_on_what_was_left_out(result: Result) -> None:
    lines = result.output.splitlines()

    assert result.exit_code == 0, result.output
    assert [name for name in CROPS if f"{name} 1/1 b: " in result.output] == list(CROPS)
    assert [line.split(":")[0] for line in lines if ", bias " in line] == ["first", "second"]
    assert "fitted to the others only" in result.output
    assert [name for name in CROPS if f"│ {name} " in result.output] == list(CROPS)


@pytest.mark.weights
@pytest.mark.usefixtures("result")
def test_weights_and_figures_are_written(datasets: list[Path]) -> None:
    """The weights can be pasted into the code as they are."""
    figures = json.loads((datasets[0].parent / "figures.json").read_text())

    first, second = (Weights(**figures["weights"][name]) for name in ("first", "second"))
    assert [dataset["name"] for dataset in figures["datasets"]] == list(CROPS)
    assert all("pipeline" in dataset["methods"] for dataset in figures["datasets"])
    assert figures["settings"]["left_out"] is True
    assert first.company == 0
    assert {field.name for field in fields(FITTED.first)} == set(figures["weights"]["second"])
    assert second == Weights(
        **{name: round(value, 2) for name, value in figures["weights"]["second"].items()}
    )


@pytest.mark.weights
@pytest.mark.usefixtures("weights")
def test_one_data_set_has_none_to_be_left_out_of(datasets: list[Path]) -> None:
    result = CliRunner().invoke(main, ["fit", str(datasets[1])])

    assert result.exit_code == 0, result.output
    assert "second: " in result.output
    assert "fitted to the others only" not in result.output


def test_a_data_set_that_is_none_is_one_line_before_any_model_is_loaded(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["fit", str(tmp_path)])

    assert result.exit_code == 1
    assert "a data set is `coins`, or a folder with images/NAME.jpg" in result.output
    assert len(result.output.splitlines()) == 1


def test_without_a_data_set_it_is_bad_usage() -> None:
    assert CliRunner().invoke(main, ["fit"]).exit_code == 2
