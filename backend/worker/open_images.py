"""The images that annotators work on now, ready to be segmented: a second click need not load them again."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from backend.labelstudio.images import DecodedImage
from backend.vision.instance import MaskWindow
from backend.vision.sam import ImageEmbedding

MOST_IMAGES = 4
OFFERED_S = 60.0  # an editor saves a draft long before: it tells what was taken of what was offered
MOST_BYTES = 128 * 2**20  # of pixels; the last image is kept in any case


@dataclass(frozen=True, eq=False)
class OpenImage:
    """One image.

    Attributes:
        image: perhaps decoded at reduced size.
        embedding: of its pixels.
        offered: what was found to look like something, by the ids of the regions that showed it, and until
            when that is remembered (monotonic seconds).
    """

    image: DecodedImage
    embedding: ImageEmbedding
    offered: dict[frozenset[str], tuple[float, list[MaskWindow]]] = field(default_factory=dict)

    def offered_for_others(self, region_ids: Iterable[str]) -> list[MaskWindow]:
        """What was offered for other regions just now: it is in the editor, or was rejected there."""
        asking, now = frozenset(region_ids), time.monotonic()
        return [
            window
            for asked, (until, some) in self.offered.items()
            if now < until and not asked & asking
            for window in some
        ]

    def note_offered(self, region_ids: Iterable[str], windows: Iterable[MaskWindow]) -> None:
        """Note what is offered now: the editor shows it in place of what it has shown for these regions."""
        asking = frozenset(region_ids)
        for asked in [asked for asked in self.offered if asked & asking]:
            del self.offered[asked]
        self.offered[asking] = time.monotonic() + OFFERED_S, list(windows)


class OpenImages:
    """Keeps the last few images.

    Args:
        most_bytes: bound on the pixels of all together.
    """

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[int, str], OpenImage] = OrderedDict()

    def get(self, task_id: int, uri: str, load: Callable[[], OpenImage]) -> OpenImage:
        """Give the image at an address that belongs to a task; load it if it is not kept."""
        key = (task_id, uri)
        found = self._kept.pop(key, None) or load()
        self._kept[key] = found
        while len(self._kept) > 1 and (len(self._kept) > MOST_IMAGES or self._bytes() > self._most_bytes):
            self._kept.popitem(last=False)
        return found

    def _bytes(self) -> int:
        return sum(each.image.pixels.nbytes for each in self._kept.values())
