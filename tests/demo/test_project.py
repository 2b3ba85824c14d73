"""Claims about what the demo does in Label Studio."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from backend.demo.coins import demo_images, reference_mask
from backend.demo.errors import DemoProcessError
from backend.demo.label_studio import LabelStudioServer
from backend.demo.project import DemoProject, brushed_region
from backend.labelstudio.brush_rle import decode_rle
from backend.labelstudio.label_config import Control

CONFIG = (Path(__file__).parents[2] / "label_config.xml").read_text()


def test_a_brushed_region_holds_the_mask_in_the_image_s_own_size() -> None:
    mask = np.zeros((3, 5), dtype=bool)
    mask[1, 2:4] = True

    region = brushed_region(mask, control=Control("label", "image", "image", ("Coin",)), label="Coin")

    assert (region["original_width"], region["original_height"]) == (5, 3)
    assert region["value"]["brushlabels"] == ["Coin"]
    assert np.array_equal(decode_rle(region["value"]["rle"], (3, 5)), mask)


@pytest.mark.label_studio
def test_a_project_in_the_real_label_studio(label_studio: LabelStudioServer) -> None:
    """Tasks carry the image they are said to carry, and the painted one counts as annotated."""
    images = demo_images()[:3]

    with closing(
        DemoProject(label_studio.url, label_studio.token, title="demo project", label_config=CONFIG)
    ) as project:
        names = project.import_images([(f"{image.name}.png", image.png()) for image in images])
        first = next(task for task, name in names.items() if name == "coins-1.png")
        project.annotate(first, reference_mask(images[0]))

        assert sorted(names.values()) == ["coins-1.png", "coins-2.png", "coins-3.png"]
        assert project.annotated_tasks() == {first}
        assert project.predictions(first) == []


@pytest.mark.label_studio
def test_more_images_than_one_upload_or_one_page_takes(label_studio: LabelStudioServer) -> None:
    png = demo_images()[7].png()

    with closing(
        DemoProject(label_studio.url, label_studio.token, title="many images", label_config=CONFIG)
    ) as project:
        names = project.import_images([(f"{i}.png", png) for i in range(101)])

    assert sorted(int(name.removesuffix(".png")) for name in names.values()) == list(range(101))


@pytest.mark.label_studio
def test_what_label_studio_refuses_is_said(label_studio: LabelStudioServer) -> None:
    with pytest.raises(DemoProcessError, match="refused POST /api/projects/ with 400"):
        DemoProject(label_studio.url, label_studio.token, title="x", label_config=CONFIG)
