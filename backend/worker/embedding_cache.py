"""What the encoders say about images, kept on the disk for all workers of a host.

Own files and not a library: diskcache unpickles what it finds in its folder, so whoever can write there could
run code in the worker, a damaged SQLite file loses all of it, and every reading writes to the database.
Here an entry is a file: a checksum, then safetensors, which hold numbers only.
"""

import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

FORMAT = "1"  # of the files: others are not read, and deleted in their turn
_SUFFIX, _TEMPORARY = ".safetensors", ".writing"
_CHECKSUM_BYTES = 32
_KEPT_SHARE = 0.9  # of the bound: what a sweep leaves; the rest is room for what workers write until theirs
_SWEEP_SHARE = 0.01  # of the bound: a worker looks at the folder after writing this much
_RESERVE_BYTES = 512 * 2**20  # of the disk: always left to others
_PAUSE_S = 600
_ABANDONED_S = 3600
_LARGEST = torch.finfo(torch.float16).max

Tensors = tuple[Tensor, ...]

logger = logging.getLogger(__name__)


class EmbeddingCache:
    """Tensors in fp16 by key, in files that all workers of a host share. Wrong files are as good as none.

    What was not used for longest goes first when the bytes reach the bound. A folder that cannot be written,
    or a full disk, is told once, and tried again after a while; until then nothing is kept.

    Args:
        folder: where the files lie; made when the first is written.
        max_bytes: bound on all files together; 0: nothing is kept.
        reserve_bytes: room on the disk that is left to others.
        pause_s: seconds until writing is tried again.

    Attributes:
        counts: how often something was found (``hit``), not found (``miss``), deleted (``evicted``).
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        reserve_bytes: int = _RESERVE_BYTES,
        pause_s: float = _PAUSE_S,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._folder = folder
        self._max_bytes = max_bytes
        self._reserve_bytes = reserve_bytes
        self._pause_s = pause_s
        self._unswept = max_bytes  # the first that is written looks at what others left
        self._closed_until = 0.0
        self._told = False

    @property
    def keeps(self) -> bool:
        """Whether there is a cache at all."""
        return self._max_bytes > 0

    def holds(self, size: float) -> bool:
        """Whether *size* bytes can be kept at once."""
        return size <= self._max_bytes * _KEPT_SHARE

    def counted(self) -> dict[str, float]:
        """Give what ``counts`` has gained since the last call, as the names of sums."""
        gained, self.counts = self.counts, Counter()
        return {f"cache:{name}": float(number) for name, number in gained.items()}

    def get(self, key: str) -> Tensors | None:
        """Give the tensors that were put under *key*, as fp16; None if there are none, or damaged ones.

        Args:
            key: hexadecimal digits.
        """
        path = self._path(key)
        tensors = _read(path, key)
        self.counts["miss" if tensors is None else "hit"] += 1
        if tensors is not None:
            _touch(path)
        return tensors

    def put(self, key: str, tensors: Tensors) -> None:
        """Keep *tensors*, fp16, under *key*, hexadecimal digits; in place of a damaged file, if any."""
        if time.monotonic() < self._closed_until:
            return
        payload = safetensors.torch.save({str(i): each.contiguous() for i, each in enumerate(tensors)})
        data = _checksum(key, payload) + payload
        try:
            self._write(self._path(key), data)
        except OSError as exc:
            self._close(exc)
        else:
            self._told = False

    def _path(self, key: str) -> Path:
        return self._folder / FORMAT / key[:2] / (key + _SUFFIX)

    def _write(self, path: Path, data: bytes) -> None:
        if not self.holds(len(data)):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, data)
        self._unswept += len(data)
        if self._unswept >= self._max_bytes * _SWEEP_SHARE:
            self._sweep()
            self._unswept = 0

    def _sweep(self) -> None:
        """Delete what was not used for longest, until the rest is within the bound."""
        files = sorted(_files(self._folder))
        total = sum(size for _, size, _ in files)
        room = total + shutil.disk_usage(self._folder).free - self._reserve_bytes
        most = min(self._max_bytes, max(0, room))
        if total <= most * _KEPT_SHARE:
            return
        for used_at, size, path in files:
            if total <= most * _KEPT_SHARE:
                return
            if path.suffix == _SUFFIX or time.time() - used_at > _ABANDONED_S:
                path.unlink(missing_ok=True)  # another worker may have been faster
                total -= size
                self.counts["evicted"] += 1

    def _close(self, error: OSError) -> None:
        self._closed_until = time.monotonic() + self._pause_s
        if not self._told:
            logger.warning(
                "the cache of embeddings cannot be written: %s; going on without it. Expected room and the "
                "right to write in ONESHOT_CACHE; ONESHOT_CACHE_BYTES=0 turns the cache off",
                error,
            )
        self._told = True


class CachedNetwork:
    """A network that is asked once for each image.

    Args:
        compute: normalised pixels (n, 3, H, W) float to a tensor or several of them, (n, ...) each.
        cache: where its answers are kept.
        digest: of the network's weights.
    """

    def __init__(
        self, compute: Callable[[Tensor], Tensor | Sequence[Tensor]], cache: EmbeddingCache, digest: str
    ) -> None:
        self._compute = compute
        self._cache = cache
        self._digest = digest

    def __call__(self, pixels: Tensor) -> Tensors:
        """Give the network's answer, rounded to fp16 whether it was kept or not: results do not depend on it.

        Args:
            pixels: normalised pixels, (n, 3, H, W) float; each image of them has an entry of its own.
        """
        if not self._cache.keeps:
            return _as(pixels, _rounded(self._compute(pixels)))
        keys = [pixels_key(self._digest, image) for image in _one_by_one(pixels)]
        answers = [self._cache.get(key) for key in keys]
        missing = [index for index, kept in enumerate(answers) if kept is None]
        for index, computed in zip(missing, self._each_of(pixels, missing), strict=True):
            self._cache.put(keys[index], tuple(each.cpu() for each in computed))
            answers[index] = computed
        every = [_as(pixels, answer) for answer in answers if answer is not None]
        return every[0] if len(every) == 1 else tuple(torch.cat(each) for each in zip(*every, strict=True))

    def _each_of(self, pixels: Tensor, images: Sequence[int]) -> list[Tensors]:
        """The network's answers to some of the images, one by one, though it was asked for all at once."""
        if not images:
            return []
        asked = pixels if len(images) == len(pixels) else pixels[images]
        answer = _rounded(self._compute(asked))
        return list(zip(*map(_one_by_one, answer), strict=True))


def pixels_key(digest: str, pixels: Tensor) -> str:
    """Name what the network with the weights *digest* says about *pixels*, float, as hexadecimal digits."""
    head = f"{digest} {tuple(pixels.shape)} {pixels.dtype}"
    values = pixels.detach().cpu().contiguous().numpy()
    return hashlib.sha256(_sha256(head.encode()) + _sha256(values.data)).hexdigest()


def _one_by_one(images: Tensor) -> Iterator[Tensor]:
    """Each of (n, ...), as (1, ...)."""
    return (images[index : index + 1] for index in range(len(images)))


def _rounded(answer: Tensor | Sequence[Tensor]) -> Tensors:
    tensors = [answer] if isinstance(answer, Tensor) else answer
    return tuple(each.clamp(-_LARGEST, _LARGEST).half() for each in tensors)


def _as(pixels: Tensor, tensors: Tensors) -> Tensors:
    return tuple(each.to(pixels) for each in tensors)


def _sha256(data: bytes | memoryview) -> bytes:
    return hashlib.sha256(data).digest()


def _checksum(key: str, payload: bytes) -> bytes:
    """Also of the key, so that a file under a wrong name is noticed."""
    return _sha256(bytes.fromhex(key) + payload)


def _read(path: Path, key: str) -> Tensors | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    checksum, payload = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
    if checksum != _checksum(key, payload):
        return None
    try:
        tensors = safetensors.torch.load(payload)
    except SafetensorError:
        return None
    if any(each.dtype != torch.float16 for each in tensors.values()):
        return None
    return tuple(tensors[str(index)] for index in range(len(tensors)))


def _touch(path: Path) -> None:
    """Note that it was used now. Where this may not be written, it is as if it were not used."""
    try:
        os.utime(path)
    except OSError:
        return


def _replace(path: Path, data: bytes) -> None:
    """Write beside *path*, then rename: others see a whole file or none. Nothing is left if that fails."""
    handle, name = tempfile.mkstemp(suffix=_TEMPORARY, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _files(folder: Path) -> list[tuple[float, int, Path]]:
    """All files, with the time of their last use and their size in bytes."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            try:
                status = path.stat()
            except FileNotFoundError:
                continue  # another worker has deleted or renamed it
            found.append((status.st_mtime, status.st_size, path))
    return found
