"""Each kind of control on the real Label Studio: it takes the regions that we make, and gives them back."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from backend.demo.label_studio import LabelStudioServer
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.label_config import Control, image_controls
from backend.labelstudio.references import pick_references
from backend.labelstudio.regions import ScoredMask, mask_regions, prediction
from backend.labelstudio.shapes import ellipse_mask
from tests.annotator import Annotator, annotator_at

OWN_LABELS = """
<View>
  <Header value="Beside them other things"/>
  <Choices name="kind" toName="photo"><Choice value="Good"/></Choices>
  <TextArea name="remark" toName="photo"/>
  <Image name="photo" value="$image"/><Image name="back" value="$behind"/>
  <BrushLabels name="brush" toName="photo"><Label value="Shown" alias="Coin"/></BrushLabels>
  <BitmaskLabels name="bitmask" toName="photo"><Label value="Coin"/></BitmaskLabels>
  <PolygonLabels name="polygon" toName="photo"><Label value="Coin"/></PolygonLabels>
  <RectangleLabels name="rectangle" toName="photo,back"><Label value="Coin"/></RectangleLabels>
  <EllipseLabels name="ellipse" toName="photo"><Label value="Coin"/></EllipseLabels>
  <PolygonLabels name="of-task" toName="photo" value="$things"/>
</View>
"""
GENERIC_LABELS = """
<View>
  <Image name="photo" value="$image"/>
  <Labels name="what" toName="photo"><Label value="Coin"/></Labels>
  <Brush name="brush" toName="photo"/><Bitmask name="bitmask" toName="photo"/>
  <Polygon name="polygon" toName="photo"/><Rectangle name="rectangle" toName="photo"/>
  <Ellipse name="ellipse" toName="photo"/>
</View>
"""
INSIDE = """
<View>
  <Image name="first" value="$pages[0]"/><Image name="second" value="$pages[1]"/>
  <Image name="third" value="$more.photo"/>
  <BrushLabels name="brush" toName="first,second,third"><Label value="Coin"/></BrushLabels>
</View>
"""
SIZE = (30, 40)
MASK = ellipse_mask((22, 14), (12, 8), 20, SIZE)
MASK[13:16, 19:23] = False
VERSION = "oneshot-test-0123456789ab"
DATA: dict[str, Any] = {"image": "/data/none.png", "behind": "/data/back.png", "things": [{"value": "Coin"}]}
DATA |= {"pages": ["/data/1.png", "/data/2.png"], "more": {"photo": "/data/3.png"}}
ADDRESSES = {"first": "/data/1.png", "second": "/data/2.png", "third": "/data/3.png"}
ADDRESSES |= {"photo": "/data/none.png", "back": "/data/back.png"}
CONTROLS = [
    pytest.param(config, control, id=f"{control.type}-{control.from_name}-on-{control.to_name}")
    for config in (OWN_LABELS, GENERIC_LABELS, INSIDE)
    for control in image_controls(config)
]

pytestmark = pytest.mark.label_studio


@pytest.fixture(scope="module")
def annotator(label_studio: LabelStudioServer) -> Annotator:
    return annotator_at(label_studio)


@pytest.fixture(scope="module")
def client(label_studio: LabelStudioServer) -> Iterator[LabelStudio]:
    with LabelStudio(label_studio.url, label_studio.token) as opened:
        yield opened


@pytest.fixture(scope="module")
def projects(annotator: Annotator) -> dict[str, int]:
    return {
        config: annotator.create_project(name, label_config=config)
        for name, config in (
            ("own labels", OWN_LABELS),
            ("generic labels", GENERIC_LABELS),
            ("inside of data", INSIDE),
        )
    }


@pytest.mark.parametrize(("config", "control"), CONTROLS)
def test_predictions_are_stored_and_submitted_again_as_a_persons_they_teach(
    annotator: Annotator, client: LabelStudio, projects: dict[str, int], config: str, control: Control
) -> None:
    project = projects[config]
    answer = annotator.request(
        "POST", f"/api/projects/{project}/import?return_task_ids=true", json=[{"data": DATA}]
    )
    task = int(answer["task_ids"][0])
    item = prediction(task, VERSION, {"Coin": control}, SIZE, [ScoredMask("Coin", MASK, 0.5)], tolerance=0)

    client.replace_predictions(project, VERSION, [item], label_config=config)

    (stored,) = (each for each in annotator.predictions(project) if each["task"] == task)
    assert stored["result"] == item["result"]
    drawn = [{**region, "origin": "manual"} for region in stored["result"]]
    (expected,) = mask_regions(drawn, [control], labels=["Coin"])
    if control.geometry in ("brush", "bitmask", "polygon"):
        assert np.array_equal(expected.mask, MASK)
    annotation = annotator.annotate(task, drawn)
    reference = pick_references(client.annotations(project), [control]).by_label["Coin"]
    assert (reference.annotation_id, reference.control) == (annotation, control)
    assert np.array_equal(reference.masks[0], expected.mask)
    assert reference.image_uri == ADDRESSES[control.to_name]
