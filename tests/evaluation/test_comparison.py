"""A run against a saved one: what counts as worse, and what makes a comparison doubtful."""

import json
from pathlib import Path
from typing import Any

import pytest

from backend.evaluation.comparison import Change, Measured, compare, read_run, saved_run
from backend.evaluation.errors import ReportFileError


def method(f1: float = 0.9, *, true: int = 20, absent_false: int = 2) -> dict[str, Any]:
    """The figures of one method, as the JSON has them."""
    return {
        "f1": f1, "pq": 0.8, "ap": 0.7, "effort": 0.2,
        "counts": {"true": true, "absent_false": absent_false, "absent_images": 4},
        "seconds_per_image": {"encode": 1.0, "search": 2.0, "check": 0.5},
    }  # fmt: skip


def document(methods: dict[str, Any], **settings: object) -> dict[str, Any]:
    """A run on one data set."""
    return {"settings": settings, "datasets": [{"name": "fruits", "methods": methods}]}


def measured(**figures: float) -> Measured:
    """Figures of which only some matter."""
    return Measured(
        **{"f1": 0, "pq": 0, "ap": 0, "effort": 0, "absent": 0, "seconds": 0, "true": 9, **figures}
    )


def test_figures_are_read_per_data_set_and_method() -> None:
    run = saved_run(document({"pipeline": method(0.95)}, labels="all"))

    assert run.figures == {
        ("fruits", "pipeline"): Measured(
            f1=0.95, pq=0.8, ap=0.7, effort=0.2, absent=0.5, seconds=3.5, true=20
        )
    }


@pytest.mark.parametrize(
    ("figure", "before", "after", "worse"),
    [
        ("f1", 0.9, 0.89, True),
        ("f1", 0.9, 0.896, False),
        ("f1", 0.9, 0.95, False),
        ("effort", 0.2, 0.21, True),
        ("effort", 0.2, 0.1, False),
        ("absent", 0.0, 0.25, True),
        ("seconds", 3.0, 4.0, True),
        ("seconds", 3.0, 3.5, False),
        ("seconds", 0.1, 0.19, False),
    ],
)
def test_worse_is_a_lower_score_more_effort_more_false_or_a_fifth_more_time(
    figure: str, before: float, after: float, *, worse: bool
) -> None:
    """Within half a point, a fifth of the time or a tenth of a second it is noise."""
    change = Change("fruits", "pipeline", measured(**{figure: before}), measured(**{figure: after}))

    assert change.worse(figure) == worse
    assert change.regressions == ((figure,) if worse else ())


def test_what_only_one_of_both_measured_is_named() -> None:
    before = saved_run(document({"pipeline": method(), "loop": method()}))
    after = saved_run(document({"persam": method(), "pipeline": method(0.5)}))

    comparison = compare(before, after)

    assert [(c.method, c.difference("f1")) for c in comparison.changes] == [("pipeline", -0.4)]
    assert comparison.only_before == (("fruits", "loop"),)
    assert comparison.only_after == (("fruits", "persam"),)


def test_more_references_may_be_compared_when_as_many_images_are_held_out() -> None:
    one = saved_run(document({"pipeline": method()}, labels="all", references=1, hold_out=3, limit=None))
    three = saved_run(document({"pipeline": method()}, labels="all", references=3, hold_out=3, limit=None))

    comparison = compare(one, three)

    assert comparison.settings == (("references", 1, 3),)
    assert comparison.judged_alike


@pytest.mark.parametrize(
    ("old", "true", "alike"),
    [
        ({"labels": "all", "limit": None}, 20, True),
        ({"labels": "solo", "limit": None}, 20, False),
        ({"labels": "all", "limit": 1}, 20, False),
        ({"labels": "all", "limit": None, "hold_out": 3}, 20, False),
        ({"labels": "all", "limit": None}, 19, False),
    ],
)
def test_runs_on_other_images_or_instances_are_not_judged_alike(
    old: dict[str, Any], true: int, *, alike: bool
) -> None:
    """Files from before there was anything to hold out held out one image."""
    new = document({"pipeline": method()}, labels="all", references=1, hold_out=1, limit=None)

    comparison = compare(saved_run(document({"pipeline": method(true=true)}, **old)), saved_run(new))

    assert comparison.judged_alike == alike


def test_a_setting_that_one_of_both_does_not_tell_is_no_difference() -> None:
    """Each version of the program has settings of its own."""
    before, after = (
        saved_run(document({}, guidance="hf", old=1)),
        saved_run(document({}, guidance="exact", new=2)),
    )

    assert compare(before, after).settings == (("guidance", "hf", "exact"),)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"settings": {}, "datasets": [{"name": "a"}]}', json.dumps(document({"p": {"f1": 1}}))],
)
def test_a_file_that_is_no_saved_run_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "figures.json"
    file.write_text(content)

    with pytest.raises(
        ReportFileError, match=r"figures.json: expected what `oneshot evaluate --json` writes"
    ):
        read_run(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportFileError, match=r"gone.json: cannot be read \(No such file"):
        read_run(tmp_path / "gone.json")


def test_a_data_set_where_the_class_is_never_absent_has_nothing_false_there() -> None:
    nothing = {**method(), "counts": {"true": 0, "absent_false": 0, "absent_images": 0}}

    assert saved_run(document({"pipeline": nothing})).figures["fruits", "pipeline"].absent == 0
