"""The pictures of the status page are few, small, and of the current generation."""

from redis import Redis

from backend.jobs.pictures import (
    MOST_BYTES,
    MOST_REFERENCES,
    MOST_TASKS,
    Pictures,
    references_key,
    times_key,
)
from backend.jobs.progress import Progress

VERSION = "oneshot-tiny-0a1b"
JPEG = b"\xff\xd8\xff\xe0 not UTF-8"


def test_a_picture_comes_back_as_it_was(connection: Redis, progress: Progress) -> None:
    progress.set_generation(2, VERSION, [])
    pictures = Pictures(connection)

    assert pictures.put_task(2, VERSION, 5, JPEG)

    assert pictures.task(2, 5) == JPEG
    assert pictures.task(2, 6) is None
    assert pictures.task(3, 5) is None


def test_only_the_last_ones_are_kept_and_not_for_ever(connection: Redis, progress: Progress) -> None:
    progress.set_generation(2, VERSION, [])
    pictures = Pictures(connection)
    task_ids = range(1, MOST_TASKS + 4)

    for task_id in task_ids:
        pictures.put_task(2, VERSION, task_id, JPEG)

    assert [task_id for task_id in task_ids if pictures.task(2, task_id)] == list(task_ids[3:])
    assert connection.zcard(times_key(2)) == MOST_TASKS
    assert connection.ttl("oneshot:pictures:2") > 0
    assert connection.ttl(times_key(2)) > 0


def test_a_picture_of_another_generation_is_dropped(connection: Redis, progress: Progress) -> None:
    """A late one is not kept, and the first of a new generation drops those of the old."""
    progress.set_generation(2, VERSION, [])
    pictures = Pictures(connection)
    pictures.put_task(2, VERSION, 5, JPEG)
    progress.set_generation(2, "oneshot-tiny-2c3d", [])

    assert not pictures.put_task(2, VERSION, 6, JPEG)
    assert pictures.put_task(2, "oneshot-tiny-2c3d", 7, JPEG)

    assert [pictures.task(2, task_id) for task_id in (5, 6, 7)] == [None, None, JPEG]


def test_pictures_of_references_replace_those_before(connection: Redis) -> None:
    pictures = Pictures(connection)
    pictures.put_references(2, {(7, "Coin"): b"old", (8, "Nut: M3"): JPEG})

    pictures.put_references(2, {(7, "Coin"): b"new"})

    assert pictures.reference(2, 7, "Coin") == b"new"
    assert pictures.reference(2, 8, "Nut: M3") is None
    assert connection.ttl(references_key(2)) > 0


def test_too_many_and_too_large_pictures_are_left_out(connection: Redis, progress: Progress) -> None:
    progress.set_generation(2, VERSION, [])
    pictures = Pictures(connection)
    large = b"\0" * (MOST_BYTES + 1)

    pictures.put_references(
        2, {(1, "large"): large} | {(number, "Coin"): JPEG for number in range(2, MOST_REFERENCES + 10)}
    )

    assert not pictures.put_task(2, VERSION, 5, large)
    assert pictures.reference(2, 1, "large") is None
    assert connection.hlen(references_key(2)) == MOST_REFERENCES
