"""The published single-object algorithms: exactly one mask per label and image, whatever the image shows.

Several references of a label, which the papers do not have, count as one: the mean of what each says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from backend.evaluation.exemplars import Exemplar
from backend.evaluation.scene import Scene, decoded_instance
from backend.vision.guidance import target_guidance
from backend.vision.instance import Instance
from backend.vision.location_prior import location_prior
from backend.vision.pipeline import Models, SearchOptions
from backend.vision.segment import segment_target, segment_weighted
from backend.vision.similarity import similarity_map

if TYPE_CHECKING:
    from torch import Tensor


def persam(
    models: Models, scene: Scene, label: str, exemplars: Sequence[Exemplar], options: SearchOptions
) -> Instance | None:
    """PerSAM: the most similar place of the whole image, segmented with the target's guidance, refined.

    Args:
        models: the networks; the semantic one is not used.
        scene: the image.
        label: what to look for.
        exemplars: of that label, one or more.
        options: says how the target guides the first prediction.
    """
    target = mean([one.reference.target for one in exemplars])
    valid = scene.embedding.valid
    similarity = similarity_map(scene.embedding.features, target, valid)
    prior = location_prior(similarity, valid)
    guidance = target_guidance(options.guidance, similarity, valid, target)
    mask = segment_target(models.sam, scene.embedding, prior, guidance=guidance)
    return decoded_instance(models.sam, scene, label, mask.logits, iou=mask.iou, similarity=prior.similarity)


def persam_f(
    models: Models,
    scene: Scene,
    label: str,
    exemplars: Sequence[Exemplar],
    options: SearchOptions,  # noqa: ARG001 - PerSAM-F is not guided
) -> Instance | None:
    """PerSAM-F: the place most similar to mean and peak of the target, the three masks mixed as was fitted.

    Args:
        models: the networks; the semantic one is not used.
        scene: the image.
        label: what to look for.
        exemplars: of that label, one or more.
        options: not used.
    """
    target = mean([(one.reference.target + one.peak) / 2 for one in exemplars])
    valid = scene.embedding.valid
    prior = location_prior(similarity_map(scene.embedding.features, target, valid), valid)
    weights = mean([each for one in exemplars if (each := one.reference.mask_weights) is not None])
    mask = segment_weighted(models.sam, scene.embedding, prior, weights=weights)
    return decoded_instance(models.sam, scene, label, mask.logits, iou=mask.iou, similarity=prior.similarity)


def mean(vectors: Sequence[Tensor]) -> Tensor:
    """The mean of vectors of one length."""
    return sum(vectors[1:], start=vectors[0]) / len(vectors)
