"""scikit-image's ``coins()``, public domain: 24 coins on a dark ground, with a true mask for each.

The true masks come from the watershed of the image's gradient, flooded from what is surely ground (grey
below 30) and surely coin (above 150), as in scikit-image's own tutorial; then specks of a radius under 3
pixels are opened away, and the convex hull closes holes and dark notches. A test counts them and looks at
their shape.
"""

import numpy as np
from numpy.typing import NDArray

GROUND_BELOW, COIN_ABOVE, SPECK_RADIUS = 30, 150, 3


def coins_image() -> NDArray[np.uint8]:
    """The photograph, (303, 384, 3) uint8 RGB."""
    from skimage import data

    grey: NDArray[np.uint8] = data.coins()
    return np.stack([grey] * 3, axis=-1)


def coin_ids() -> NDArray[np.int32]:
    """Which coin each pixel of ``coins_image`` shows: 1 to 24, 0 for the ground; (303, 384) int32."""
    from skimage.filters import sobel
    from skimage.measure import label, regionprops
    from skimage.morphology import disk, opening
    from skimage.segmentation import watershed

    grey = coins_image()[..., 0]
    seeds = np.where(grey > COIN_ABOVE, 2, np.where(grey < GROUND_BELOW, 1, 0))
    coin = opening(watershed(sobel(grey), seeds) == 2, disk(SPECK_RADIUS))
    ids = np.zeros(grey.shape, dtype=np.int32)
    for region in regionprops(label(coin)):
        ids[region.slice][region.image_convex] = region.label
    return ids


def coin_masks() -> NDArray[np.bool_]:
    """One true mask per coin, (24, 303, 384) bool."""
    ids = coin_ids()
    return np.stack([ids == coin for coin in range(1, ids.max() + 1)])
