"""What the encoders say about images, on the disk: shared, bounded, checked, and never in the way."""

import multiprocessing
import os
import resource
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from backend.worker.embedding_cache import CachedNetwork, EmbeddingCache, pixels_key

MUCH = 2**30
KEYS = [f"{number:064x}" for number in range(0, 50 * 2**56, 2**56)]


def tensors(seed: int = 0, size: int = 100) -> tuple[Tensor, ...]:
    return (torch.randn(size, generator=torch.Generator().manual_seed(seed)).half(),)


def open_cache(folder: Path, max_bytes: int = MUCH, **options: float) -> EmbeddingCache:
    return EmbeddingCache(folder, max_bytes=max_bytes, reserve_bytes=0, **options)


def equal(one: tuple[Tensor, ...] | None, other: tuple[Tensor, ...]) -> bool:
    return one is not None and len(one) == len(other) and all(map(torch.equal, one, other))


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


class Network:
    """Counts how often it is asked."""

    def __init__(self, *, several: bool = False) -> None:
        self.asked = 0
        self.several = several

    def __call__(self, pixels: Tensor) -> Tensor | list[Tensor]:
        """Give something that fp16 cannot hold."""
        self.asked += 1
        answer = pixels * 1.0001 / 3
        return [answer, answer[..., :1]] if self.several else answer


def pixels(seed: int = 0) -> Tensor:
    return torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("several", [False, True])
def test_a_network_is_asked_once_for_an_image_by_all_processes_together(
    tmp_path: Path, several: bool
) -> None:
    network = Network(several=several)
    one, other = (CachedNetwork(network, open_cache(tmp_path), "weights") for _ in range(2))

    first, second = one(pixels()), other(pixels())

    assert network.asked == 1
    assert equal(first, second)


@pytest.mark.parametrize("several", [False, True])
def test_of_several_images_the_network_is_asked_once_for_those_that_are_not_kept(
    tmp_path: Path, several: bool
) -> None:
    """Each has an entry of its own, whichever images it was computed with."""
    seen: list[int] = []
    network = Network(several=several)

    def noted(images: Tensor) -> Tensor | list[Tensor]:
        seen.append(len(images))
        return network(images)

    cached = CachedNetwork(noted, open_cache(tmp_path), "weights")
    second = cached(pixels(1))

    answer = cached(torch.cat([pixels(0), pixels(1), pixels(2)]))
    again = cached(torch.cat([pixels(2), pixels(1)]))

    assert seen == [1, 2]
    assert [len(each) for each in answer] == [3] * len(second)
    assert equal(tuple(each[1:2] for each in answer), second)
    assert equal(tuple(each.flip(0) for each in again), tuple(each[1:] for each in answer))
    assert equal(tuple(each[:1] for each in answer), cached(pixels(0)))


def test_results_do_not_depend_on_whether_they_were_kept(tmp_path: Path) -> None:
    off = CachedNetwork(Network(), open_cache(tmp_path, max_bytes=0), "weights")
    on = CachedNetwork(Network(), open_cache(tmp_path), "weights")

    answers = [off(pixels()), on(pixels()), on(pixels())]

    assert all(equal(answer, answers[0]) for answer in answers)
    assert torch.allclose(answers[0][0], pixels() / 3, rtol=2e-3)


def test_other_pixels_other_weights_and_other_sizes_are_other_entries() -> None:
    flat = torch.arange(3.0 * 64)
    keys = {
        pixels_key("weights", flat.view(1, 3, 8, 8)),
        pixels_key("weights", flat.view(1, 3, 4, 16)),
        pixels_key("weights", -flat.view(1, 3, 8, 8)),
        pixels_key("others", flat.view(1, 3, 8, 8)),
    }
    assert len(keys) == 4


def test_nothing_is_written_when_the_cache_is_off(tmp_path: Path) -> None:
    CachedNetwork(Network(), open_cache(tmp_path, max_bytes=0), "weights")(pixels())

    assert files(tmp_path) == []


def test_values_beyond_fp16_are_kept_as_the_largest_there_are(tmp_path: Path) -> None:
    (answer,) = CachedNetwork(lambda one: one * 1e9, open_cache(tmp_path), "weights")(torch.ones(1, 3, 2, 2))

    assert torch.isfinite(answer).all()


@settings(max_examples=40)
@given(data=st.data())
def test_a_damaged_file_is_ignored_and_rewritten(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Cut anywhere, any byte changed, or bytes added."""
    folder = tmp_path_factory.mktemp("cache")
    cache = open_cache(folder)
    cache.put(KEYS[1], tensors())
    (path,) = files(folder)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytes([whole[at] ^ data.draw(st.integers(1, 255))])
    path.write_bytes(
        data.draw(st.sampled_from([whole[:at], whole[:at] + changed + whole[at + 1 :], whole + b"x"]))
    )

    assert cache.get(KEYS[1]) is None
    cache.put(KEYS[1], tensors())
    assert equal(cache.get(KEYS[1]), tensors())


def test_a_file_under_the_name_of_another_is_damaged(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    cache.put(KEYS[1], tensors(1))
    cache.put(KEYS[2], tensors(2))
    one, other = files(tmp_path)
    other.write_bytes(one.read_bytes())

    assert cache.get(KEYS[1]) is not None
    assert cache.get(KEYS[2]) is None


def test_what_was_not_used_for_longest_goes_first_and_the_bound_holds(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    cache.put(KEYS[0], tensors())
    size = files(tmp_path)[0].stat().st_size
    bounded = open_cache(tmp_path, max_bytes=10 * size)
    for number in range(1, 8):
        bounded.put(KEYS[number], tensors())
        _age(tmp_path, seconds=10)
    assert bounded.get(KEYS[0]) is not None

    for number in range(8, 13):
        bounded.put(KEYS[number], tensors())
        _age(tmp_path, seconds=10)
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 10 * size

    assert [number for number in range(13) if open_cache(tmp_path).get(KEYS[number])] == [0, *range(5, 13)]
    assert bounded.counts["evicted"] == 4


def _age(folder: Path, *, seconds: float) -> None:
    for path in files(folder):
        used_at = path.stat().st_mtime - seconds
        os.utime(path, (used_at, used_at))


def test_what_is_larger_than_the_bound_is_not_kept(tmp_path: Path) -> None:
    open_cache(tmp_path, max_bytes=100).put(KEYS[0], tensors())

    assert files(tmp_path) == []


def test_the_cache_gives_way_when_the_disk_fills_up(tmp_path: Path) -> None:
    """Here all of the disk is reserved for others."""
    open_cache(tmp_path).put(KEYS[0], tensors())

    cache = EmbeddingCache(tmp_path, max_bytes=MUCH, reserve_bytes=2**60)
    cache.put(KEYS[1], tensors())

    assert files(tmp_path) == []


def test_files_of_killed_workers_and_of_other_formats_go_in_their_turn(tmp_path: Path) -> None:
    for name in ("1/ab/abandoned.writing", "0/ab/old.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"x" * 2000)
    _age(tmp_path, seconds=7200)
    (tmp_path / "1/ab/new.writing").write_bytes(b"x" * 100)

    open_cache(tmp_path, max_bytes=2000).put(KEYS[0], tensors())

    assert [path.name for path in files(tmp_path)] == [KEYS[0] + ".safetensors", "new.writing"]


def test_a_folder_that_cannot_be_written_is_told_once_and_tried_again_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file lies where the folder should be: that stops the superuser, too."""
    folder = tmp_path / "cache"
    folder.write_text("in the way")
    cache = open_cache(folder, pause_s=0.2)
    network = Network()
    cached = CachedNetwork(network, cache, "weights")

    for _ in range(3):
        cached(pixels())
    folder.unlink()
    cached(pixels())
    assert network.asked == 4
    time.sleep(0.25)
    cached(pixels())
    cached(pixels())

    assert network.asked == 5
    assert len(caplog.messages) == 1
    assert "ONESHOT_CACHE" in caplog.text


def _write_on_a_full_disk(folder: Path, found: "multiprocessing.Queue[object]") -> None:
    """Past the limit on a file's size, a write fails half-way as it does on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    cache = open_cache(folder)
    network = Network()
    for _ in range(2):
        CachedNetwork(network, cache, "weights")(torch.ones(1, 3, 64, 64))
    found.put((network.asked, files(folder), cache.get(KEYS[0]) is not None))


def test_a_disk_that_is_full_only_turns_writing_off(tmp_path: Path) -> None:
    """Nothing is left of what was half written, and what is there is still read."""
    open_cache(tmp_path).put(KEYS[0], tensors())
    before = files(tmp_path)
    spawn = multiprocessing.get_context("spawn")
    found: multiprocessing.Queue[object] = spawn.Queue()

    process = spawn.Process(target=_write_on_a_full_disk, args=(tmp_path, found))
    process.start()

    assert found.get(timeout=60) == (2, before, True)
    process.join()


def _write_many(folder: Path, first: int, failures: "multiprocessing.Queue[str]") -> None:
    cache = open_cache(folder, max_bytes=20_000)
    for number in range(400):
        key = KEYS[(first + number) % 50]
        kept = cache.get(key)
        if kept is not None and not equal(kept, tensors(int(key[:8], 16))):
            failures.put(f"{key} is of another image")
        cache.put(key, tensors(int(key[:8], 16)))


def test_several_processes_share_the_folder(tmp_path: Path) -> None:
    """They read, write and delete the same files at once; none sees a half one or another's."""
    spawn = multiprocessing.get_context("spawn")
    failures: multiprocessing.Queue[str] = spawn.Queue()
    workers = [spawn.Process(target=_write_many, args=(tmp_path, 20 * i, failures)) for i in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert [worker.exitcode for worker in workers] == [0, 0]
    assert failures.empty()
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 20_000
