"""How much of the predictions people kept: counted, added up, kept in Redis."""

import json
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from backend.jobs.agreement import (
    Agreement,
    Agreements,
    Cursor,
    GenerationAgreement,
    ProjectAgreement,
    TaskAgreement,
    agreement_figures,
    by_generation,
    review_agreement,
)


class Region(NamedTuple):
    """What became of a region."""

    label: str
    outcome: str
    iou: float | None


OUTCOMES = [
    Region("Coin", "kept", 1.0),
    Region("Coin", "kept", 0.96875),
    Region("Coin", "redrawn", 0.84375),
    Region("Coin", "redrawn", 0.6875),
    Region("Coin", "deleted", None),
    Region("Nut", "added", None),
]


def test_a_review_is_counted_by_label() -> None:
    found = review_agreement("v1", 5, OUTCOMES)

    assert found.labels == {
        "Coin": Agreement(reviewed=1, kept=2, redrawn=2, loose=1, deleted=1, iou_sum=3.5),
        "Nut": Agreement(reviewed=1, added=1),
    }
    assert found.overall == Agreement(1, 2, 2, 1, 1, 1, 3.5)


def test_effort_is_the_share_of_the_work_that_was_left() -> None:
    """5 regions were submitted: one had to be added, one redrawn far, and one false one deleted."""
    overall = review_agreement("v1", 5, OUTCOMES).overall

    assert overall.annotated == 5
    assert overall.effort == pytest.approx(3 / 5)
    assert overall.mean_iou == pytest.approx(3.5 / 4)


def test_where_nothing_is_there_is_no_share() -> None:
    assert Agreement(reviewed=3).effort is None
    assert Agreement(reviewed=3, deleted=2).effort is None
    assert Agreement(reviewed=3, added=2).mean_iou is None


def test_generations_come_in_the_order_of_their_first_predictions() -> None:
    parts = [
        review_agreement("new", 20, OUTCOMES[:1]),
        review_agreement("old", 12, OUTCOMES[5:]),
        review_agreement("old", 3, []),
        review_agreement("new", 22, OUTCOMES[:3]),
    ]

    old, new = by_generation(parts)

    assert (old.model_version, old.first_prediction, old.reviewed) == ("old", 3, 2)
    assert old.labels == {"Nut": Agreement(reviewed=1, added=1)}
    assert (new.first_prediction, new.reviewed, new.labels["Coin"].kept) == (20, 2, 3)


COUNTS = st.builds(
    Agreement,
    *(st.integers(0, 10**6) for _ in range(6)),
    st.floats(0, 10**6),
)


@given(st.text(), st.integers(1), st.integers(0), st.dictionaries(st.text(), COUNTS, max_size=4))
def test_what_is_stored_is_read_again(
    version: str, first: int, reviewed: int, labels: dict[str, Agreement]
) -> None:
    agreement = GenerationAgreement(version, first, reviewed, labels)

    assert GenerationAgreement.from_json(json.loads(json.dumps(agreement.as_json()))) == agreement


def test_tasks_are_added_up_and_forgotten(connection: Redis) -> None:
    """A task that was read again counts once, as it is now; one that is gone not at all."""
    agreements = Agreements(connection)
    first, second = review_agreement("v1", 5, OUTCOMES), review_agreement("v1", 4, OUTCOMES[:1])
    agreements.put(2, [TaskAgreement(7, (first,)), TaskAgreement(8, (first,))], Cursor())
    agreements.add_up(2)

    agreements.put(2, [TaskAgreement(7, (second,))], Cursor())
    agreements.forget(2, [8])
    agreements.forget(2, [])
    agreements.add_up(2)

    assert agreements.of_project(2) == ProjectAgreement((second,))
    assert agreements.task_ids(2) == {7}
    assert agreements.of_project(3) == ProjectAgreement()


def test_it_is_remembered_how_far_the_reviews_were_read(connection: Redis) -> None:
    cursor = Cursor(since="2026-01-01T00:00:00.000000Z", newest="2026-02-01T00:00:00.000000Z", after_id=7)

    Agreements(connection).put(2, [], cursor)

    assert Agreements(connection).cursor(2) == cursor
    assert Agreements(connection).cursor(3) == Cursor()


def test_problems_are_told_in_bounds(connection: Redis) -> None:
    agreements = Agreements(connection)

    agreements.put(2, [TaskAgreement(task, problem="x" * 1000) for task in range(9)], Cursor())
    agreements.add_up(2)

    assert agreements.of_project(2).problems == ("x" * 300,) * 5


def test_all_of_it_expires(connection: Redis) -> None:
    agreements = Agreements(connection)
    agreements.put(2, [TaskAgreement(7)], Cursor())
    agreements.add_up(2)

    assert {name: connection.ttl(name) > 0 for name in connection.scan_iter()} == {
        b"oneshot:agreement:2": True,
        b"oneshot:agreement-read:2": True,
        b"oneshot:agreement-sum:2": True,
    }


def test_the_figures_are_all_there_and_a_share_of_nothing_is_none() -> None:
    labels = {"Coin": Agreement(4, 6, 2, 1, 1, 2, 7.0), "Nut": Agreement(1, deleted=1)}
    found = ProjectAgreement((GenerationAgreement("v1", 3, 4, labels),), ("task 7: no size",))

    figures = json.loads(json.dumps(agreement_figures(found)))

    (generation,) = figures["generations"]
    assert generation["model_version"] == "v1"
    assert generation["labels"]["Coin"] == {
        "reviewed": 4, "kept": 6, "redrawn": 2, "deleted": 1, "added": 2, "loose": 1, "annotated": 10,
        "mean_iou": 0.875, "effort": 0.4,
    }  # fmt: skip
    assert generation["labels"]["Nut"]["effort"] is None
    assert (generation["overall"]["reviewed"], generation["overall"]["effort"]) == (4, 0.5)
    assert figures["problems"] == ["task 7: no size"]
