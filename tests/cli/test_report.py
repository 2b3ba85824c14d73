"""``oneshot report`` against a fake Label Studio; the real one is in ``tests/integration/test_review.py``."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from backend.cli.main import main
from tests.labelstudio.loopback import Answer, loopback
from tests.worker.conftest import SIZE_HW, disc, disc_mask
from tests.worker.fake_label_studio import PROJECT, TOKEN, FakeLabelStudio, png, region, serve

VERSION = "oneshot-tiny-0a1b"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLabelStudio]:
    """A Label Studio with three tasks that the command finds."""
    with serve(FakeLabelStudio()) as served:
        for _ in range(3):
            served.add_task(disc())
        monkeypatch.setenv("LABEL_STUDIO_URL", served.url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
        yield served


def review(fake: FakeLabelStudio, task_id: int, *, found: bool, kept: bool) -> None:
    """Have the disc predicted, or nothing; have a person submit that, or nothing."""
    predicted = [{**region(disc_mask()), "id": "found-it", "origin": "prediction"}] if found else []
    fake.predictions.append(
        {"id": task_id + 10, "task": task_id, "model_version": VERSION, "result": predicted}
    )
    submitted = predicted if kept else []
    fake.annotations[task_id] = [
        {"id": task_id + 20, "lead_time": 1.5, "result": submitted, "parent_prediction": task_id + 10}
    ]


def run(*arguments: str | int | Path) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def test_the_table_and_the_figures_tell_the_same(fake: FakeLabelStudio, tmp_path: Path) -> None:
    review(fake, 1, found=True, kept=True)
    review(fake, 2, found=True, kept=False)
    file = tmp_path / "figures.json"

    result = run("--project", str(PROJECT), "--json", file)

    assert result.exit_code == 0, result.output
    assert f"Figures: {file}" in result.output
    (row,) = [line for line in result.output.splitlines() if VERSION in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        *(VERSION, "Coin", "2", "1", "0", "1", "0", "1.000", "1.000")
    ]
    figures = json.loads(file.read_text())
    assert (figures["project"], figures["title"]) == (PROJECT, "Fake")
    assert figures["generations"][0]["overall"]["effort"] == 1


def test_only_reviewed_masks_are_written(fake: FakeLabelStudio, tmp_path: Path) -> None:
    """Neither the reference nor the prediction nobody has looked at; a bare image is measured."""
    fake.annotate(3, ~disc_mask())
    fake.predictions.append({"id": 9, "task": 3, "model_version": VERSION, "result": [region(disc_mask())]})
    review(fake, 1, found=True, kept=True)
    review(fake, 2, found=False, kept=False)

    result = run("--project", PROJECT, "--coco", tmp_path / "coco.json", "--csv", tmp_path / "masks.csv")

    assert result.exit_code == 0, result.output
    coco = json.loads((tmp_path / "coco.json").read_text())
    height, width = SIZE_HW
    assert [(each["id"], each["height"], each["width"]) for each in coco["images"]] == [
        (1, height, width),
        (2, height, width),
    ]
    assert [(each["image_id"], each["area"]) for each in coco["annotations"]] == [
        (1, np.count_nonzero(disc_mask()))
    ]
    with (tmp_path / "masks.csv").open() as file:
        assert [(line["task"], line["label"]) for line in csv.DictReader(file)] == [("1", "Coin")]
    assert "1 masks of 2 images" in result.output


def test_a_bare_image_on_a_private_server_that_was_named_is_measured(
    fake: FakeLabelStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the worker does, which has predicted it from there."""
    monkeypatch.setenv("ONESHOT_PRIVATE_HOSTS", "127.0.0.1")
    review(fake, 1, found=False, kept=False)
    with loopback() as bucket:
        bucket.answers["/a.png"] = Answer(png(disc()))
        fake.tasks[1]["image"] = f"{bucket.url}/a.png"
        result = run("--project", PROJECT, "--coco", tmp_path / "coco.json")

    assert result.exit_code == 0, result.output
    (image,) = json.loads((tmp_path / "coco.json").read_text())["images"]
    assert (image["height"], image["width"]) == SIZE_HW


@pytest.mark.usefixtures("fake")
def test_nothing_reviewed_yet_is_no_failure(tmp_path: Path) -> None:
    result = run("--project", PROJECT, "--json", tmp_path / "figures.json")

    assert result.exit_code == 0, result.output
    assert f"project {PROJECT}: no prediction of ours was reviewed yet" in result.output
    assert json.loads((tmp_path / "figures.json").read_text())["generations"] == []


@pytest.mark.usefixtures("fake")
def test_an_unknown_project_is_a_failure_in_one_line() -> None:
    result = run("--project", "99")

    assert result.exit_code == 1
    assert "cannot read project 99" in result.output


@pytest.mark.parametrize("arguments", [[], ["--project", "0"], ["--project", "2", "--coco", "/"]])
def test_what_makes_no_sense_is_bad_usage(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2
