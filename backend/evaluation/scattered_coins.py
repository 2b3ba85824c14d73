"""Scenes of any number of things and any size, made of a photograph of coins: what growth is measured on."""

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.evaluation.coins import coin_masks, coins_image

GROUND_GREY = 40.0  # of the photograph's ground
GRAIN = 6.0  # standard deviation of the ground's noise
FILLS = 0.72  # of a place that a coin may take up
QUALITY = 90  # of JPEGs
WIDEST = 0.25  # of the image's shorter side


@dataclass(frozen=True, eq=False)
class ScatteredCoins:
    """A scene and its truth.

    Attributes:
        image: RGB, (H, W, 3) uint8.
        masks: one per coin, each (H, W) bool.
    """

    image: NDArray[np.uint8]
    masks: tuple[NDArray[np.bool_], ...]


def scattered_coins(count: int, *, size_hw: tuple[int, int], seed: int) -> ScatteredCoins:
    """Scatter coins over an image, one to a place of a lattice, as large as the places let them be.

    Args:
        count: of coins.
        size_hw: of the image, in pixels.
        seed: for which coins they are, how they are turned and where in its place each lies.
    """
    random = np.random.default_rng(seed)
    rows, columns = lattice(count, size_hw)
    pitch = min(size_hw) / min(rows, columns)
    grey = np.clip(random.normal(GROUND_GREY, GRAIN, size_hw), 0, 255).astype(np.uint8)
    masks = []
    chosen = sorted(random.choice(rows * columns, size=count, replace=False).tolist())
    coins = cut_coins()
    for place in chosen:
        pixels, inside = turned(
            coins[random.integers(len(coins))], float(random.uniform(0, 360)), pitch * FILLS
        )
        height, width = inside.shape
        top, left = (
            int(pitch * at + random.uniform(0.3, 0.7) * (pitch - length))
            for at, length in ((place // columns, height), (place % columns, width))
        )
        window = np.s_[top : top + height, left : left + width]
        grey[window][inside] = pixels[inside]
        mask = np.zeros(size_hw, dtype=np.bool_)
        mask[window] = inside
        masks.append(mask)
    return ScatteredCoins(np.stack([grey] * 3, axis=-1), tuple(masks))


def jpeg(image: NDArray[np.uint8]) -> bytes:
    """The file of an image, RGB, (H, W, 3) uint8."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def lattice(count: int, size_hw: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the fewest square places along the shorter side that make at least *count*."""
    shorter, longer = sorted(size_hw)
    across = math.ceil(FILLS / WIDEST)
    while across * (across * longer // shorter) < count:
        across += 1
    along = across * longer // shorter
    return (across, along) if size_hw == (shorter, longer) else (along, across)


def cut_coins() -> list[NDArray[np.uint8]]:
    """The photograph's coins, each cut out of it: grey and how opaque, (h, w, 2) uint8."""
    grey = coins_image()[..., 0]
    cuts = []
    for mask in coin_masks():
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        cuts.append(np.stack([grey[window], mask[window].astype(np.uint8) * 255], axis=-1))
    return cuts


def turned(
    coin: NDArray[np.uint8], degrees: float, across: float
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Turn a cut-out coin and bring it to a size.

    Args:
        coin: grey and how opaque, (h, w, 2) uint8.
        degrees: how far it is turned.
        across: longer side afterwards, in pixels.

    Returns:
        Grey, (h, w) uint8, and where the coin is, (h, w) bool.
    """
    picture = Image.fromarray(coin, "LA").rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    picture = picture.crop(picture.getchannel("A").getbbox())
    scale = across / max(picture.size)
    size = max(2, round(picture.width * scale)), max(2, round(picture.height * scale))
    pixels = np.asarray(picture.resize(size, Image.Resampling.BICUBIC))
    return pixels[..., 0], pixels[..., 1] > 127
