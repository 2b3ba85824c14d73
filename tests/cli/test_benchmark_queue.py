"""The figures of the queue, on few tasks: whether the floors are reached is the business of the full run."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.cli.benchmark_figures import Figure
from backend.cli.benchmark_label_studio import TOKEN, StandIn, serve
from backend.cli.benchmark_queue import opened_figures, overhead_figures
from backend.cli.benchmark_queue_worker import Computing, burn
from backend.cli.main import main
from backend.labelstudio.client import LabelStudio

PROJECT = 3


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with serve(StandIn({PROJECT: 250})) as served:
        yield served


@pytest.fixture
def client(stand_in: StandIn) -> Iterator[LabelStudio]:
    with LabelStudio(stand_in.url, TOKEN, timeout_s=5) as client:
        yield client


def test_real_processes_predict_each_task_once_and_every_figure_is_told(tmp_path: Path) -> None:
    """The command itself refuses to end well when a task has no prediction, or two."""
    report = tmp_path / "queue.json"

    result = CliRunner().invoke(
        main, ["benchmark", "queue", "--tasks", "100", "--model-ms", "15", "--json", str(report)]
    )

    content = json.loads(report.read_text())
    figures = {figure["name"].strip(): figure for figure in content["figures"]}
    missed = [figure["name"] for figure in content["figures"] if figure["missed"]]
    assert (content["tasks"], content["missed"]) == (100, missed)
    assert result.exit_code == bool(missed), result.output
    assert all(f"{figure['value']:.2f}" in result.stdout for figure in content["figures"])
    assert 15 <= figures["model_ms"]["value"] < 20
    assert 0 < figures["worker_ms"]["value"] < figures["overhead_ms"]["value"]
    assert figures["opened_jobs"]["value"] <= figures["opened_jobs"]["bound"]
    assert 0.5 < figures["web_growth"]["value"] < 1.5


def test_the_stand_in_lists_what_has_no_prediction_page_by_page(
    stand_in: StandIn, client: LabelStudio
) -> None:
    ids = stand_in.task_ids(PROJECT)
    stand_in.store(PROJECT, [{"task": ids[0], "model_version": "v1"}])

    first = client.task_page(PROJECT, without_version="v1")
    last = client.task_page(PROJECT, after_id=ids[-3], without_version="v1")

    assert [task.id for task in first.tasks] == list(ids[1:101])
    assert (first.left, last.left) == (149, 0)
    assert [task.id for task in last.tasks] == list(ids[-2:])
    assert [task.model_versions for task in client.tasks(PROJECT, ids[:2])] == [{"v1"}, frozenset()]


def test_the_stand_in_has_one_annotation_that_a_person_made(stand_in: StandIn, client: LabelStudio) -> None:
    annotations = list(client.annotations(PROJECT).in_order())

    assert [each.task_id for each in annotations] == [stand_in.task_ids(PROJECT)[0] - 1]
    assert annotations[0].is_made_by_a_person


def test_the_stand_in_counts_predictions_that_came_twice(stand_in: StandIn) -> None:
    ids = stand_in.task_ids(PROJECT)

    stand_in.store(PROJECT, [{"task": ids[1], "model_version": "v1"}] * 2)

    assert stand_in.predictions(PROJECT)[:3] == [0, 2, 0]


@pytest.mark.parametrize(
    ("figure", "missed"),
    [
        (Figure("overhead", 15.0, "ms", 15), False),
        (Figure("overhead", 15.1, "ms", 15), True),
        (Figure("scaling", 1.8, "times", 1.8, "at least"), False),
        (Figure("scaling", 1.7, "times", 1.8, "at least"), True),
        (Figure("webhook", 1e9, "ms"), False),
    ],
)
def test_a_figure_beyond_its_floor_is_missed(figure: Figure, missed: bool) -> None:
    assert figure.missed == missed
    assert ("MISSED" in str(figure)) == missed


def test_overhead_is_what_is_spent_beside_the_model() -> None:
    """Two images of 0.04 s a core; the second begins 0.02 s after the first, which took 0.05 s, has ended."""
    computed = [[Computing(10, 0.05, 0.04, 1, "5-a-1"), Computing(10.07, 0.05, 0.04, 1, "5-a-1")]]
    spent_s = {"workers": 0.1, "web": 0.002, "valkey": 0.004, "label_studio": 0.006}

    figures = {each.name.strip(): each.value for each in overhead_figures(spent_s, computed, 2)}

    assert figures["model_ms"] == pytest.approx(40)
    assert figures["overhead_ms"] == pytest.approx(10 + 1 + 2)
    assert figures["between_images_ms"] == pytest.approx(10)
    assert figures["label_studio_ms"] == pytest.approx(3)


def test_an_opened_task_waits_for_the_jobs_that_begin_before_it() -> None:
    """Opened at 1.5: the job of the image at 1 is in hand, another one begins at 2, the opened one at 3."""
    bulk = [Computing(1, 0.5, 0.5, 1, "5-a-1"), Computing(1.6, 0.3, 0.3, 1, "5-a-1")]
    later = [Computing(2, 0.5, 0.5, 2, "5-b-1"), Computing(3, 0.5, 0.5, 3, "opened-5-c-0")]

    figures = {each.name: each.value for each in opened_figures([1.5], [[*bulk, *later]])}

    assert (figures["opened"], figures["opened_jobs"], figures["opened_max_s"]) == (1, 1, 1.5)


def test_half_a_line_of_a_log_is_not_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("1.5 0.2 0.1 3 5-a-1\n2.5 0.")

    assert Computing.read(log) == [Computing(1.5, 0.2, 0.1, 3, "5-a-1")]


def test_the_stand_in_model_takes_the_time_of_a_core_that_it_was_told() -> None:
    assert 0.01 <= burn(0.01) < 0.02
