"""A photograph stored on its side: Label Studio shows it upright, and the masks lie on what is shown."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from backend.demo.coins import DemoImage, reference_mask
from tests.annotator import Annotator, brush_region, region_mask
from tests.mask_matching import matched_ious
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio, pytest.mark.weights]

ORIENTATION_TAG, STORED_ON_ITS_SIDE = 0x0112, 6


def stored_on_its_side(image: DemoImage) -> bytes:
    """A JPEG whose pixels lie a quarter turn anticlockwise, and whose EXIF says how to turn them back."""
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = STORED_ON_ITS_SIDE
    buffer = BytesIO()
    Image.fromarray(np.rot90(image.image)).save(buffer, "JPEG", quality=95, exif=exif)
    return buffer.getvalue()


def test_masks_of_rotated_photographs_lie_on_what_is_shown(
    stack: Stack, annotator: Annotator, coins: dict[str, DemoImage]
) -> None:
    """Both ways: a mask of what is shown serves as reference, and what is shown gets its masks."""
    reference, test_image = coins["coins-1"], coins["coins-7"]
    project = annotator.create_project("Photographs on their side")
    first, second = annotator.upload(
        project, {"first.jpg": stored_on_its_side(reference), "second.jpg": stored_on_its_side(test_image)}
    )
    annotator.connect(project, stack.url)

    annotator.annotate(first, [brush_region(reference_mask(reference))])
    stack.wait_for_tasks(project, [second])

    (prediction,) = annotator.predictions(project)
    masks = [region_mask(region) for region in prediction["result"]]
    assert {mask.shape for mask in masks} == {test_image.image.shape[:2]}
    assert len(masks) == len(test_image.masks)
    assert min(matched_ious(masks, test_image.masks)) > 0.8
