"""The demo images: cut from scikit-image's ``coins()``, with the true mask of every coin.

Each crop holds whole coins only; one holds bare background.
"""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.evaluation.coins import coin_ids, coins_image

CROPS_TOP_LEFT_BOTTOM_RIGHT = {
    "coins-1": (20, 124, 150, 243),  # the reference image: four coins, of which one is annotated
    "coins-2": (4, 241, 152, 376),
    "coins-3": (88, 14, 227, 182),
    "coins-4": (80, 177, 160, 241),
    "coins-5": (4, 300, 226, 384),
    "coins-6": (152, 77, 299, 384),
    "coins-7": (150, 8, 299, 78),
    "coins-8": (76, 62, 102, 242),
}
COIN_COUNTS = {
    "coins-1": 4,
    "coins-2": 4,
    "coins-3": 6,
    "coins-4": 1,
    "coins-5": 3,
    "coins-6": 10,
    "coins-7": 2,
    "coins-8": 0,
}


@dataclass(frozen=True)
class DemoImage:
    """One crop of the photograph.

    Attributes:
        name: file name without ending.
        image: the crop, (H, W, 3) uint8.
        masks: one per coin, from left to right, (H, W) bool.
    """

    name: str
    image: NDArray[np.uint8]
    masks: tuple[NDArray[np.bool_], ...]

    def png(self) -> bytes:
        """The crop as a PNG file."""
        buffer = BytesIO()
        Image.fromarray(self.image).save(buffer, "PNG")
        return buffer.getvalue()


def demo_images() -> list[DemoImage]:
    """Cut the demo images; the first is the reference image."""
    photograph, ids = coins_image(), coin_ids()
    return [_cut(name, photograph, ids, box) for name, box in CROPS_TOP_LEFT_BOTTOM_RIGHT.items()]


def reference_mask(reference: DemoImage) -> NDArray[np.bool_]:
    """The coin that the demo annotates: the lower median by area, (H, W) bool."""
    by_area = sorted(reference.masks, key=np.count_nonzero)
    return by_area[(len(by_area) - 1) // 2]


def _cut(
    name: str, photograph: NDArray[np.uint8], ids: NDArray[np.int32], box: tuple[int, int, int, int]
) -> DemoImage:
    top, left, bottom, right = box
    ids = ids[top:bottom, left:right]
    masks = [ids == coin for coin in np.unique(ids[ids > 0])]
    return DemoImage(name, photograph[top:bottom, left:right], tuple(sorted(masks, key=_left_edge)))


def _left_edge(mask: NDArray[np.bool_]) -> int:
    return int(mask.any(axis=0).argmax())
