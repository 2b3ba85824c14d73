"""A thing in two parts, predicted as polygons, comes back from the editor as one thing."""

import numpy as np
import pytest
from playwright.sync_api import expect

from backend.demo.label_studio import LabelStudioServer
from backend.labelstudio.label_config import image_controls
from backend.labelstudio.regions import ScoredMask, prediction
from backend.labelstudio.review import compare
from backend.labelstudio.reviewed_tasks import task_reviews
from tests.annotator import Annotator
from tests.e2e.editor import REGION_ROW, logged_in, open_task
from tests.worker.fake_label_studio import png

pytestmark = [pytest.mark.label_studio, pytest.mark.browser]

CONFIG = """<View>
  <Image name="photo" value="$image"/>
  <PolygonLabels name="mask" toName="photo"><Label value="Coin"/></PolygonLabels>
</View>"""
SIZE_HW = (120, 200)


def test_parts_that_were_submitted_are_one_thing(
    chromium: str, label_studio: LabelStudioServer, annotator: Annotator
) -> None:
    """A part of it is deleted: that is one thing redrawn, and the other one kept."""
    whole, other = np.zeros(SIZE_HW, bool), np.zeros(SIZE_HW, bool)
    whole[20:60, 20:60] = whole[20:60, 80:100] = True
    other[80:110, 120:180] = True
    (control,) = image_controls(CONFIG)
    project = annotator.create_project("Parts", label_config=CONFIG)
    (task,) = annotator.upload(project, {"grey.png": png(np.full((*SIZE_HW, 3), 90, np.uint8))})
    item = prediction(
        *(task, "oneshot-tiny-0", {"Coin": control}, SIZE_HW),
        [ScoredMask("Coin", mask, 0.5) for mask in (whole, other)],
    )
    annotator.request("POST", f"/api/projects/{project}/import/predictions", json=[item])

    with logged_in(chromium, label_studio) as page:
        open_task(page, label_studio, project, task)
        expect(page.locator(REGION_ROW)).to_have_count(3)
        page.locator(REGION_ROW).nth(1).click()
        page.keyboard.press("Backspace")
        expect(page.locator(REGION_ROW)).to_have_count(2)
        with page.expect_response(lambda response: f"/tasks/{task}/annotations" in response.url):
            page.get_by_label("Submit current annotation").click()

    (annotation,) = annotator.request("GET", f"/api/tasks/{task}/annotations/")
    (stored,) = annotator.predictions(project)
    (review,) = task_reviews({"id": task, "data": {}, "annotations": [annotation], "predictions": [stored]})
    assert sorted((each.outcome, each.iou) for each in compare(review, [control])) == [
        ("kept", 1),
        ("redrawn", pytest.approx(2 / 3)),
    ]
