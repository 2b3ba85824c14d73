"""One knowledge of all workers: whether Label Studio is down."""

import pytest
from redis import Redis

from backend.jobs.breaker import Breaker
from backend.jobs.keys import BREAKER
from backend.jobs.progress import Progress


@pytest.fixture
def breaker(connection: Redis) -> Breaker:
    return Breaker(connection)


def test_an_outage_is_told_with_its_reason_and_ends(breaker: Breaker, progress: Progress) -> None:
    assert breaker.outage() is None
    assert not progress.label_studio()["down"]

    breaker.trip("status 502")
    outage = breaker.outage()

    assert outage is not None
    assert (outage.reason, outage.failures) == ("status 502", 1)
    assert progress.label_studio()["reason"] == "status 502"
    breaker.close()
    assert breaker.outage() is None


def test_the_pauses_grow_up_to_a_bound_and_vary(breaker: Breaker) -> None:
    pauses = []
    for _ in range(12):
        breaker.trip("down")
        outage = breaker.outage()
        assert outage is not None
        pauses.append(outage.retry_in_s)

    assert 0.5 < pauses[0] <= 1.25
    assert pauses[3] > 2 * pauses[0]
    assert all(20 < pause <= 37.5 for pause in pauses[6:])
    assert len(set(pauses[6:])) == 6


def test_what_label_studio_asks_for_is_honoured(breaker: Breaker) -> None:
    breaker.trip("status 429", retry_after_s=90)
    outage = breaker.outage()

    assert outage is not None
    assert 85 < outage.retry_in_s <= 90


def test_one_worker_asks_at_a_time_and_only_when_it_is_due(breaker: Breaker, connection: Redis) -> None:
    assert not breaker.may_probe()
    breaker.trip("down")
    assert not breaker.may_probe()
    connection.hset(BREAKER, "until", "0")

    assert [breaker.may_probe() for _ in range(3)] == [True, False, False]

    breaker.trip("still down")
    connection.hset(BREAKER, "until", "0")
    assert breaker.may_probe()
