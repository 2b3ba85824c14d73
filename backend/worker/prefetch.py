"""The images that a job needs next, fetched and decoded while the model works on the one before."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, Self, TypeVar

from backend.labelstudio.client import Task
from backend.labelstudio.images import DecodedImage
from backend.worker.threads import job_threads

Wanted = TypeVar("Wanted")

FILES_AHEAD = 3
BYTES_AHEAD = 32 * 2**20  # of files; one is fetched ahead in any case, and a few before their size is known


@dataclass(frozen=True, eq=False)
class File:
    """The bytes of an image, and how long they took to come."""

    data: bytes
    seconds: float


@dataclass(frozen=True, eq=False)
class Loaded:
    """An image, and how long fetching and decoding took."""

    image: DecodedImage
    seconds: float


@dataclass(frozen=True)
class TaskImage:
    """One image of a task, by the key of its address in the task's data."""

    task: Task
    key: str


class Prefetch(Generic[Wanted]):
    """Loads images in threads, in order: a few files ahead, and the pixels of one image.

    A context manager, to be iterated over once. What is under way when it is left is not waited for.

    Args:
        fetch: gives the bytes of an image that is wanted.
        decode: gives their pixels.
        wanted: the images, in the order in which they are wanted.
        files_ahead: bound on the files that are fetched ahead.
        bytes_ahead: bound on the bytes of these, from which on no further one is fetched.
    """

    def __init__(
        self,
        fetch: Callable[[Wanted], bytes],
        decode: Callable[[bytes], DecodedImage],
        wanted: Sequence[Wanted],
        *,
        files_ahead: int = FILES_AHEAD,
        bytes_ahead: int = BYTES_AHEAD,
    ) -> None:
        self._fetch = fetch
        self._decode = decode
        self._left = deque(wanted)
        self._files: deque[tuple[Wanted, Future[File]]] = deque()
        self._files_ahead = files_ahead
        self._bytes_ahead = bytes_ahead
        self._largest = 0
        self._threads = job_threads(files_ahead + 1, "prefetch")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def __iter__(self) -> Iterator[tuple[Wanted, Future[Loaded]]]:
        """Give what is wanted with its pixels; what went wrong with one is raised by its ``result``."""
        following = self._decode_next()
        while following is not None:
            current, following = following, self._decode_next()
            yield current

    def _decode_next(self) -> tuple[Wanted, Future[Loaded]] | None:
        self._fetch_more()
        if not self._files:
            return None
        wanted, file = self._files.popleft()
        return wanted, self._threads.submit(self._loaded, file)

    def _fetch_more(self) -> None:
        while self._left and len(self._files) < self._files_ahead and self._has_room():
            wanted = self._left.popleft()
            self._files.append((wanted, self._threads.submit(self._fetched, wanted)))

    def _has_room(self) -> bool:
        """Whether the files ahead are few bytes; one that is still to come counts as the largest so far."""
        sizes = [_size(file) for _, file in self._files]
        self._largest = max([self._largest, *(size for size in sizes if size is not None)])
        return sum(self._largest if size is None else size for size in sizes) < self._bytes_ahead

    def _fetched(self, wanted: Wanted) -> File:
        started = time.perf_counter()
        data = self._fetch(wanted)
        return File(data, time.perf_counter() - started)

    def _loaded(self, file: Future[File]) -> Loaded:
        fetched = file.result()
        started = time.perf_counter()
        image = self._decode(fetched.data)
        return Loaded(image, fetched.seconds + time.perf_counter() - started)


def by_task(
    images: Iterable[tuple[TaskImage, Future[Loaded]]],
) -> Iterator[tuple[Task, Iterator[Future[Loaded]]]]:
    """Give each task with its images, to be taken before the next task; those not taken are passed over."""
    for task, of_task in groupby(images, key=lambda each: each[0].task):
        yield task, (loading for _, loading in of_task)


def _size(file: Future[File]) -> int | None:
    """Bytes of a file; 0 of one that could not be fetched, None while it is on its way."""
    if not file.done():
        return None
    return 0 if file.exception() else len(file.result().data)
