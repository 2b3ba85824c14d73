"""What the evaluation makes of annotated masks, on a tiny random SAM."""

import numpy as np
import torch

from backend.evaluation.datasets import LabelledImage
from backend.evaluation.episodes import Episode, ReferenceMask
from backend.evaluation.exemplars import box_around, exemplar, exemplars
from backend.vision.pipeline import Models
from backend.vision.sam import ImageEmbedding
from tests.colour_sam import RED, box_mask, colour_models, drawn


def noise(name: str) -> LabelledImage:
    """An image of 40 x 60 with two squares of 10 x 10."""
    ids = np.zeros((40, 60), dtype=np.int32)
    ids[5:15, 12:22], ids[5:15, 24:34] = 1, 2
    pixels = np.random.default_rng(ord(name)).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    return LabelledImage(name, "g", {1: "fig", 2: "date"}, lambda: pixels, lambda: ids)


def test_each_reference_mask_of_an_episode_gives_one_in_the_order_of_the_images(models: Models) -> None:
    """Both labels lie in both images; what is said of an image does not depend on the others."""
    a, b = noise("a"), noise("b")
    fig = Episode("g", "fig", (ReferenceMask(a, 1), ReferenceMask(b, 1)), (), ())
    date = Episode("g", "date", (ReferenceMask(a, 2),), (), ())

    found = exemplars(models, [fig, date, fig], max_tiles=1)

    alone = exemplars(models, [Episode("g", "fig", (ReferenceMask(b, 1),), (), ())], max_tiles=1)
    assert {key: [one.reference.label for one in some] for key, some in found.items()} == {
        ("g", "fig"): ["fig", "fig"],
        ("g", "date"): ["date"],
    }
    assert torch.equal(found["g", "fig"][1].reference.target, alone["g", "fig"][0].reference.target)
    assert not torch.equal(found["g", "fig"][0].reference.target, alone["g", "fig"][0].reference.target)


def test_the_peak_is_taken_of_cells_that_the_mask_covers_by_half(models: Models) -> None:
    """Cells of 5 x 5 pixels; the mask covers two whole, and a fifth of the brightest."""
    features = torch.zeros(32, 8, 8)
    features[:2, 1, 2] = torch.tensor([3.0, -5.0])
    features[:2, 1, 3] = torch.tensor([1.0, -4.0])
    features[:2, 1, 4] = 9.0
    embedding = ImageEmbedding(features, size_hw=(20, 40), resized_hw=(32, 64), input_size=64)
    mask = np.zeros((20, 40), dtype=np.bool_)
    mask[5:10, 10:21] = True

    found = exemplar(models, np.zeros((20, 40, 3), np.uint8), embedding, mask, "fig", max_tiles=1)

    assert found.peak[:3].tolist() == [3, -4, 0]


def test_a_box_spans_a_mask_and_all_its_holes() -> None:
    mask = np.zeros((4, 7), dtype=np.bool_)
    mask[1, 2] = mask[3, 5] = True

    box = box_around(mask)

    assert box[1:4, 2:6].all()
    assert box.sum() == 3 * 4


def test_of_a_boxed_reference_only_the_box_is_shown() -> None:
    """A cross, and the square it spans: what SAM sees in the box is the square."""
    models = colour_models()
    image = drawn((14, 36, 24, 24, RED))
    cross = box_mask(14, 44, 24, 8) | box_mask(22, 36, 8, 24)
    labelled = LabelledImage("a", "g", {1: "fig"}, lambda: image, lambda: cross.astype(np.int32))
    episode = Episode("g", "fig", (ReferenceMask(labelled, 1),), (), ())

    (painted,), (boxed,) = (
        exemplars(models, [episode], max_tiles=1, boxed=each)["g", "fig"] for each in (False, True)
    )

    square = exemplar(models, image, models.sam.embed(image), box_mask(14, 36, 24, 24), "fig", max_tiles=1)
    assert torch.equal(boxed.reference.target, square.reference.target)
    assert boxed.reference.whole.cells == square.reference.whole.cells > painted.reference.whole.cells
