"""From a box or an ellipse around a thing to the thing itself: what is beside it there would mislead."""

import numpy as np
from numpy.typing import NDArray

from backend.vision.instance import mask_window
from backend.vision.interactive import Prompt, segment_shown
from backend.vision.sam import ImageEmbedding, Sam


def thing_inside(sam: Sam, embedding: ImageEmbedding, drawn_around: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Segment the thing that somebody drew a box or an ellipse around.

    Args:
        sam: the model.
        embedding: the image.
        drawn_around: what the box or ellipse encloses, (H, W) bool, not empty.

    Returns:
        The thing, (H, W) bool, all of it inside; all of *drawn_around* where the model sees nothing there.
    """
    box_xyxy = mask_window(drawn_around).box_xyxy
    inside = segment_shown(sam, embedding, Prompt(box_xyxy=box_xyxy)).mask & drawn_around
    return inside if inside.any() else drawn_around
