"""Large JPEGs, which are decoded at reduced size: what Label Studio is told is in the image's own pixels."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from backend.jobs.interactive import Question
from backend.labelstudio.brush_rle import decode_rle
from backend.labelstudio.fetch import ImageFetcher
from backend.labelstudio.images import ImageLimits, decode_reduced
from backend.worker.context import WorkerContext
from backend.worker.interactive import answer_regions
from tests.colour_sam import RED, box_mask, colour_models, drawn
from tests.mask_matching import matched_ious
from tests.worker.fake_label_studio import PROJECT, FakeLabelStudio, region

FIRST, SECOND = (2, 4, 24, 24), (14, 36, 24, 24)
LIMITS = ImageLimits(enough_side=60)  # images of 40 x 64 and twice that
CONFIG = """<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="label" toName="image"><Label value="Coin"/></BrushLabels>
  <RectangleLabels name="box" toName="image" smart="true"><Label value="Coin"/></RectangleLabels>
</View>"""


def large(mask: NDArray[np.generic], width: int) -> NDArray[Any]:
    """Twice as large, the last column perhaps cut off."""
    return mask.repeat(2, axis=0).repeat(2, axis=1)[:, :width]


def jpeg(image: NDArray[np.uint8], orientation: int) -> bytes:
    """A file that shows *image* once EXIF has turned it by a quarter, or as it is."""
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    stored = np.rot90(image) if orientation == 6 else image
    Image.fromarray(np.ascontiguousarray(stored)).save(file, "JPEG", quality=95, subsampling=0, exif=exif)
    return file.getvalue()


@pytest.fixture(name="reducing", params=[(128, 1), (127, 1), (128, 6)], ids=["even", "odd", "turned"])
def _reducing(
    request: pytest.FixtureRequest, full_context: WorkerContext, fake: FakeLabelStudio
) -> tuple[WorkerContext, int]:
    """A worker that halves the images of its two tasks, the first annotated, and the width of these."""
    width, orientation = request.param
    data = jpeg(large(drawn((*FIRST, RED), (*SECOND, RED)), width), orientation)
    assert decode_reduced(data, limits=LIMITS).pixels.shape == (40, 64, 3)
    fake.label_config = CONFIG
    fake.annotations.clear()
    fake.tasks.clear()
    first, _ = fake.add_task(data), fake.add_task(data)
    fake.annotate(first, large(box_mask(*FIRST), width))
    fetcher = ImageFetcher(fake.url, full_context.label_studio.authorisation, limits=LIMITS, timeout_s=5)
    return replace(full_context, limits=LIMITS, fetcher=fetcher, models=colour_models()), width


def test_predictions_are_in_the_images_own_pixels(
    reducing: tuple[WorkerContext, int], run_jobs: Callable[..., Any], fake: FakeLabelStudio
) -> None:
    """The reference, too, was painted in these."""
    context, width = reducing
    context.queue.enqueue_sync(PROJECT)

    run_jobs(models=context.models, limits=LIMITS, fetcher=context.fetcher)

    (found,) = fake.predictions
    sizes = {(each["original_height"], each["original_width"]) for each in found["result"]}
    assert sizes == {(80, width)}
    masks = [decode_rle(each["value"]["rle"], (80, width)) for each in found["result"]]
    assert len(masks) == 2
    true = [large(box_mask(*box), width) for box in (FIRST, SECOND)]
    assert min(matched_ious(masks, true)) > 0.97


def test_smart_tools_point_and_answer_in_the_images_own_pixels(reducing: tuple[WorkerContext, int]) -> None:
    """A box around one thing brings it, and the other as what looks like it."""
    context, width = reducing
    value = {"x": 8 / width * 100, "y": 5, "width": 48 / width * 100, "height": 60, "rotation": 0}
    pointed = region(large(box_mask(*FIRST), width)) | {
        "id": "box", "from_name": "box", "type": "rectanglelabels",
        "value": value | {"rectanglelabels": ["Coin"]},
    }  # fmt: skip

    shown, alike = answer_regions(context, Question(PROJECT, 2, (pointed,), similar=True, known=()))

    masks = [decode_rle(each["value"]["rle"], (80, width)) for each in (shown, alike)]
    true = [large(box_mask(*box), width) for box in (FIRST, SECOND)]
    assert min(matched_ious(masks, true)) > 0.97
    assert matched_ious(masks[:1], true[:1]) > [0.97]
