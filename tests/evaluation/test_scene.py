"""From the mask decoder's answer to an instance that nothing has checked."""

import numpy as np
import torch

from backend.evaluation.scene import Scene, decoded_instance
from backend.vision.pipeline import Models
from backend.vision.sam import ImageEmbedding

EMBEDDING = ImageEmbedding(torch.zeros(32, 8, 8), size_hw=(20, 40), resized_hw=(32, 64), input_size=64)
SCENE = Scene(np.zeros((20, 40, 3), np.uint8), EMBEDDING, (), {})


def test_the_mask_is_brought_to_the_size_of_the_image_and_the_figures_into_their_bounds(
    models: Models,
) -> None:
    """The left half of a padded square of 32 x 32 is the left half of 40 columns."""
    logits = torch.full((32, 32), -1.0)
    logits[:, :16] = 1

    found = decoded_instance(models.sam, SCENE, "fig", logits, iou=1.01, similarity=-1.01)

    assert found is not None
    assert (found.label, found.confidence, found.similarity) == ("fig", 1, -1)
    assert found.mask.shape == (20, 40)
    assert found.mask[:, :20].all()
    assert not found.mask[:, 20:].any()


def test_an_empty_mask_is_no_instance(models: Models) -> None:
    logits = torch.full((32, 32), -1.0)

    assert decoded_instance(models.sam, SCENE, "fig", logits, iou=0.9, similarity=0.5) is None
