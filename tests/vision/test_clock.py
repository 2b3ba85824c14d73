"""The clock adds up what each stage takes."""

import time

import pytest

from backend.vision.clock import Clock


def test_a_stage_that_comes_again_adds_up() -> None:
    """Encoding comes once a tile; what never ran took nothing."""
    clock = Clock()

    for _ in range(2):
        with clock.stage("encode"):
            time.sleep(0.01)
    with clock.stage("check"):
        pass

    assert clock.seconds.encode >= 0.02
    assert clock.seconds.encode > clock.seconds.check > 0
    assert clock.seconds.search == 0


def test_a_stage_that_fails_counts_too() -> None:
    """The error goes on its way."""
    clock = Clock()

    def fail() -> None:
        with clock.stage("search"):
            time.sleep(0.01)
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert clock.seconds.search >= 0.01


def test_what_was_read_does_not_change() -> None:
    """Seconds are a value, not a view of the clock."""
    clock = Clock()
    before = clock.seconds

    with clock.stage("encode"):
        time.sleep(0.001)

    assert before.encode == 0
