"""Images on their way while the model works: in order, in bounds, each with its own trouble."""

import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from backend.labelstudio.client import Task
from backend.labelstudio.images import DecodedImage
from backend.worker.prefetch import Prefetch, TaskImage, by_task


def tasks(count: int) -> list[Task]:
    return [Task(number, {}) for number in range(1, count + 1)]


class Source:
    """Gives files of the task's number, and notes what was asked for."""

    def __init__(self, size: int = 1, *, broken: Sequence[int] = ()) -> None:
        self.size = size
        self.broken = broken
        self.fetched: list[int] = []
        self.decoded: list[int] = []

    def fetch(self, task: Task) -> bytes:
        """Give the file."""
        self.fetched.append(task.id)
        if task.id in self.broken:
            raise ValueError(f"no file for {task.id}")
        return bytes([task.id]) * self.size

    def decode(self, data: bytes) -> DecodedImage:
        """Give its pixels."""
        self.decoded.append(data[0])
        return DecodedImage.whole(np.full((1, 1, 3), data[0], np.uint8))


def test_images_come_in_order_with_the_time_they_took() -> None:
    source = Source()

    with Prefetch(source.fetch, source.decode, tasks(9)) as images:
        loaded = [(task.id, image.result()) for task, image in images]

    assert [(task, int(each.image.pixels[0, 0, 0])) for task, each in loaded] == [
        (n, n) for n in range(1, 10)
    ]
    assert all(each.seconds > 0 for _, each in loaded)
    assert len(source.fetched) == len(source.decoded) == 9


def test_what_is_wrong_with_one_image_is_told_when_it_is_its_turn() -> None:
    source = Source(broken=[1, 3])

    with Prefetch(source.fetch, source.decode, tasks(4)) as images:
        errors = {task.id: image.exception() for task, image in images}

    assert {task for task, error in errors.items() if error} == {1, 3}


@pytest.mark.parametrize(("size", "files_ahead"), [(1, 3), (1000, 1)])
def test_only_a_few_files_and_one_image_are_loaded_ahead(size: int, files_ahead: int) -> None:
    """Of large files one, once it is seen that they are."""
    source = Source(size)

    with Prefetch(source.fetch, source.decode, tasks(20), files_ahead=3, bytes_ahead=500) as images:
        for task, image in images:
            image.result()
            time.sleep(0.03)
            assert len(source.decoded) <= min(20, task.id + 1)
            assert len(source.fetched) <= max(4, task.id + 1 + files_ahead)


def test_images_are_loaded_while_the_model_computes() -> None:
    """Fetching eight takes as long as computing eight; both together hardly longer than one of them."""

    def fetch(task: Task) -> bytes:
        time.sleep(0.1)
        return bytes([task.id])

    started = time.monotonic()
    with Prefetch(fetch, Source().decode, tasks(8)) as images:
        for _, image in images:
            image.result()
            time.sleep(0.1)

    assert time.monotonic() - started < 1.3


def test_leaving_waits_for_nothing() -> None:
    """A server that hangs does not hold up a worker that is to stop."""
    goes_on = threading.Event()

    def fetch(task: Task) -> bytes:
        if task.id > 1:
            goes_on.wait(20)
        return b"1"

    started = time.monotonic()
    with Prefetch(fetch, Source().decode, tasks(3)) as images:
        for _, image in images:
            image.result()
            break

    assert time.monotonic() - started < 5
    goes_on.set()


def test_the_images_of_a_task_come_together_and_those_not_taken_are_passed_over() -> None:
    """Of task 2 only the first is taken; nothing of a task is loaded twice."""
    source = Source()
    wanted = [TaskImage(task, key) for task in tasks(3) for key in ("left", "right")]

    with Prefetch(lambda each: source.fetch(each.task), source.decode, wanted) as images:
        found = {
            task.id: [int(next(of_task).result().image.pixels[0, 0, 0]) for _ in range(2 - (task.id == 2))]
            for task, of_task in by_task(images)
        }

    assert found == {1: [1, 1], 2: [2], 3: [3, 3]}
    assert sorted(source.fetched) == [1, 1, 2, 2, 3, 3]


def test_what_comes_after_a_task_is_not_waited_for_while_it_is_computed() -> None:
    """Taking the last image of a task lets only the next image load beside it."""
    source = Source()
    wanted = [TaskImage(task, key) for task in tasks(9) for key in ("left", "right")]

    with Prefetch(lambda each: source.fetch(each.task), source.decode, wanted) as images:
        for task, of_task in by_task(images):
            for _ in range(2):
                next(of_task).result()
            time.sleep(0.03)
            assert len(source.decoded) <= min(18, 2 * task.id + 1)
