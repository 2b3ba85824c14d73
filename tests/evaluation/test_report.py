"""The report: sums, means, and what is written."""

import io

import numpy as np
import pytest
from rich.console import Console

from backend.evaluation.matching import match_instances
from backend.evaluation.metrics import tally
from backend.evaluation.predictions import Found
from backend.evaluation.report import DatasetReport, dataset_report, mean_scores, report_json
from backend.evaluation.rle import Rle, encode
from backend.evaluation.run import ImageRun, Outcome
from backend.evaluation.tables import print_ablation, print_reports


def bars(count: int, *, first: int = 0) -> tuple[Rle, ...]:
    """Masks side by side in an image of 1 x 100."""
    masks = np.zeros((count, 1, 100), dtype=np.bool_)
    for number in range(count):
        masks[number, 0, 10 * (first + number) : 10 * (first + number) + 8] = True
    return tuple(encode(mask) for mask in masks)


def outcome(label: str, found: tuple[Rle, ...], true: tuple[Rle, ...]) -> Outcome:
    """One class on one image."""
    match = match_instances(found, true)
    instances = tuple(Found(label, rle, 0.9, 0.8) for rle in found)
    return Outcome("-", label, instances, true, match, tally(match, len(true)))


def run(image: str, method: str, *outcomes: Outcome, encode_s: float = 1.0) -> ImageRun:
    """One search."""
    return ImageRun(image, method, outcomes, {"encode": encode_s, "search": 2.0, "check": 0.5}, 0.9)


@pytest.fixture
def report() -> DatasetReport:
    """Figs: all 3 found in a, 1 of 2 in b; a holds no date, but one is found; the date in b is found."""
    pipeline = [
        run("a", "pipeline", outcome("fig", bars(3), bars(3)), outcome("date", bars(1), ())),
        run("b", "pipeline", outcome("fig", bars(1), bars(2)), outcome("date", bars(1), bars(1))),
    ]
    loop = [run("a", "loop", outcome("fig", bars(1, first=5), bars(3)))]
    return dataset_report("fruits", [*pipeline, *loop])


def test_counts_add_up_over_images_and_classes(report: DatasetReport) -> None:
    pipeline, loop = report.methods

    assert pipeline.overall.counts.true == 6
    assert pipeline.overall.scores.recall == 5 / 6
    assert pipeline.overall.scores.precision == 1
    assert pipeline.overall.counts.absent_false == 1
    assert pipeline.classes[("-", "fig")].scores.effort == 1 / 5
    assert loop.overall.scores.f1 == 0


def test_ap_is_the_mean_over_classes(report: DatasetReport) -> None:
    """All dates are found; of figs 4 of 5: precision 1 up to recall 0.8, 81 of 101 recall points."""
    assert report.methods[0].overall.ap == pytest.approx((1 + 81 / 101) / 2)


def test_seconds_are_per_image_also_when_labels_are_searched_singly() -> None:
    runs = [run("a", "pipeline"), run("a", "pipeline", encode_s=0.0), run("b", "pipeline")]

    (method,) = dataset_report("d", runs).methods

    assert method.seconds == {"encode": 1.0, "search": 3.0, "check": 0.75}


def test_the_mean_is_over_data_sets_not_images(report: DatasetReport) -> None:
    perfect = dataset_report("one", [run("a", "pipeline", outcome("fig", bars(1), bars(1)))])

    assert mean_scores([report, perfect], "pipeline")["recall"] == pytest.approx((5 / 6 + 1) / 2)


def test_json_holds_every_level(report: DatasetReport) -> None:
    document = report_json([report], {"labels": "all"})

    pipeline = document["datasets"][0]["methods"]["pipeline"]
    assert (document["settings"], pipeline["recall"]) == ({"labels": "all"}, 0.8333)
    assert [entry["class"] for entry in pipeline["classes"]] == ["date", "fig"]
    assert pipeline["images"][2] == {
        "image": "b",
        "group": "-",
        "class": "fig",
        "true": 2,
        "matched": 1,
        "false": 0,
        "missed": 1,
        "ious": [1.0],
        "matched_confidences": [0.9],
        "false_confidences": [],
    }
    assert document["mean"]["loop"]["f1"] == 0


def test_tables_name_classes_methods_and_means(report: DatasetReport) -> None:
    out = io.StringIO()

    print_reports(Console(file=out, width=170), [report, report])

    lines = out.getvalue().splitlines()
    assert any("fig" in line and "0.800" in line for line in lines)
    assert any("1 in 1" in line for line in lines)
    assert any("mean " in line and "2 in 2" in line for line in lines)
    assert (
        sum("mean " in line for line in lines) == 2 + 3
    )  # a row per method, and "mean IoU" above three tables


def test_an_ablation_has_a_row_per_part_and_a_column_per_data_set_and_the_mean_last() -> None:
    """Without colour one of two is found on the first data set: F1 2 / 3, half of the work is left."""
    full, half = outcome("fig", bars(2), bars(2)), outcome("fig", bars(1), bars(2))
    runs = [run("a", "pipeline", full), run("a", "loop", half), run("a", "without colour", half)]
    reports = [
        dataset_report("fruits", runs),
        dataset_report("nuts", [run("b", "pipeline", full), run("b", "without colour", full)]),
    ]
    out = io.StringIO()

    print_ablation(Console(file=out, width=170), reports)

    rows = [line.strip("│ ").split("│") for line in out.getvalue().splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["pipeline", "1.000", "1.000", "1.000"],
        ["without colour", "0.667", "1.000", "0.833"],
        ["pipeline", "0.000", "0.000", "0.000"],
        ["without colour", "0.500", "0.000", "0.250"],
    ]


def test_the_pipelines_trust_is_told(report: DatasetReport) -> None:
    """All of 6 instances have a confidence of 0.9, and 5 are right; both images have one score."""
    pipeline, _ = report.methods
    written = io.StringIO()

    print_reports(Console(file=written, width=200), [report])

    assert pipeline.trust.instances == 6
    assert pipeline.trust.calibration_error == pytest.approx(0.9 - 5 / 6)
    assert pipeline.trust.least_sure_first == 0.5
    (row,) = [line for line in written.getvalue().split("trust:")[1].splitlines() if "fruits" in line]
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == ["fruits", "6", "0.067", "2", "0.500"]
