"""PerSAM and PerSAM-F as a method of the evaluation, on a tiny random SAM."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from backend.evaluation.exemplars import Exemplar, exemplar
from backend.evaluation.persam import mean, persam, persam_f
from backend.evaluation.scene import Scene
from backend.vision.pipeline import Models, SearchOptions
from backend.vision.sam import ImageEmbedding, MaskLogits, Sam
from tests.tiny_sam import INPUT_SIZE, tiny_sam_model


@pytest.fixture(scope="module")
def scene(models: Models) -> Scene:
    """Noise of 40 x 60."""
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    return Scene(image, models.sam.embed(image), (), {})


@pytest.fixture(scope="module")
def fig(models: Models) -> Exemplar:
    """A square of 10 x 20 in other noise."""
    image = np.random.default_rng(2).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    mask = np.zeros((40, 60), dtype=np.bool_)
    mask[5:15, 20:40] = True
    return exemplar(models, image, models.sam.embed(image), mask, "fig", max_tiles=1)


def most_similar(scene: Scene, target: torch.Tensor) -> float:
    """The greatest cosine of any cell that shows some of the image."""
    return float(cosine_similarity(scene.embedding.features, target[:, None, None], dim=0)[:6].max())


def test_both_find_one_object_in_noise_too(models: Models, scene: Scene, fig: Exemplar) -> None:
    options = SearchOptions(guidance="exact")

    found = [method(models, scene, "fig", [fig], options) for method in (persam, persam_f)]

    assert [(one.label, one.mask.shape) for one in found if one] == [("fig", (40, 60))] * 2


def test_persam_takes_the_place_most_similar_to_the_mean_of_the_object(
    models: Models, scene: Scene, fig: Exemplar
) -> None:
    found = persam(models, scene, "fig", [fig], SearchOptions(guidance="exact"))

    assert found is not None
    assert found.similarity == pytest.approx(most_similar(scene, fig.reference.target), abs=1e-5)


def test_persam_is_guided_as_the_options_say_and_its_refinement_is_not(
    models: Models, scene: Scene, fig: Exemplar
) -> None:
    heard: list[str | None] = []

    class Overheard(Sam):
        def decode(self, embedding: ImageEmbedding, **prompts: Any) -> MaskLogits:
            heard.append(prompts["guidance"].mode if prompts.get("guidance") else None)
            return models.sam.decode(embedding, **prompts)

    model = tiny_sam_model()
    sam = Overheard(model, model.get_image_embeddings, input_size=INPUT_SIZE)

    persam(replace(models, sam=sam), scene, "fig", [fig], SearchOptions(guidance="exact"))

    assert heard == ["exact", None, None]


def test_persam_f_takes_the_place_most_similar_to_mean_and_peak_together(
    models: Models, scene: Scene, fig: Exemplar
) -> None:
    other = replace(fig, peak=fig.peak.flip(0) * 3)

    found = persam_f(models, scene, "fig", [other], SearchOptions())

    assert found is not None
    target = (fig.reference.target + fig.peak.flip(0) * 3) / 2
    assert found.similarity == pytest.approx(most_similar(scene, target), abs=1e-5)


def test_several_references_count_as_their_mean(models: Models, scene: Scene, fig: Exemplar) -> None:
    opposite = replace(fig, reference=replace(fig.reference, target=-3 * fig.reference.target))

    found = persam(models, scene, "fig", [fig, opposite], SearchOptions(guidance="none"))

    assert mean([torch.tensor([1.0, 2.0]), torch.tensor([3.0, 8.0])]).tolist() == [2, 5]
    assert found is not None
    assert found.similarity == pytest.approx(most_similar(scene, -fig.reference.target), abs=1e-5)
