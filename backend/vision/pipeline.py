"""One annotated mask in, every instance of the thing out."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from backend.vision.candidate import Candidate, distinct
from backend.vision.check import Claim, checked, unchecked
from backend.vision.guidance import GuidanceMode
from backend.vision.instance import Instance
from backend.vision.reference import Reference
from backend.vision.sam import ImageEmbedding, Sam
from backend.vision.search import search_instances
from backend.vision.semantics import SemanticEncoder


@dataclass(frozen=True)
class Models:
    """The two networks of the core.

    Attributes:
        sam: finds and segments.
        semantic: tells whether what was found is the same kind of thing.
    """

    sam: Sam
    semantic: SemanticEncoder


@dataclass(frozen=True)
class SearchOptions:
    """How to search; the defaults are what measures best.

    Attributes:
        guidance: how the target guides the first prediction.
        min_similarity: least semantic cosine of an instance; None: follows from each reference.
        max_instances: bound on the rounds of the search, per image and reference; never what ends it
            normally.
        semantic_check: off, every candidate of the search is an instance.
        fine_tuned: predict as PerSAM-F does, with the mask weights fitted on the reference.
    """

    guidance: GuidanceMode = "hf"
    min_similarity: float | None = None
    max_instances: int = 300
    semantic_check: bool = True
    fine_tuned: bool = False


@dataclass(frozen=True)
class StageSeconds:
    """Wall clock of each stage, in seconds."""

    encode: float
    search: float
    check: float


@dataclass(frozen=True)
class Segmentation:
    """What was found in one image.

    Attributes:
        instances: best first; empty if nothing was found.
        seconds: what it took.
    """

    instances: tuple[Instance, ...]
    seconds: StageSeconds


def find_instances(
    models: Models,
    references: Sequence[Reference],
    image: NDArray[np.uint8],
    *,
    options: SearchOptions = SearchOptions(),
    embedding: ImageEmbedding | None = None,
) -> Segmentation:
    """Find every object that looks like one of the references. Labels compete.

    Args:
        models: the networks.
        references: one or more per label.
        image: the test image, RGB, (H, W, 3) uint8.
        options: how to search.
        embedding: of *image*, where the caller has it.
    """
    times = [time.perf_counter()]
    embedding = embedding or models.sam.embed(image)
    times.append(time.perf_counter())
    found = [candidates(models.sam, embedding, reference, options) for reference in references]
    times.append(time.perf_counter())
    claims = claimed(models.semantic, references, found, image, embedding, options)
    instances = tuple(instance(models.sam, embedding, claim) for claim in without_doubles(claims))
    times.append(time.perf_counter())
    encode, search, check = (after - before for before, after in itertools.pairwise(times))
    return Segmentation(instances, StageSeconds(encode, search, check))


def candidates(
    sam: Sam, embedding: ImageEmbedding, reference: Reference, options: SearchOptions
) -> list[Candidate]:
    """Search the image for one reference."""
    return search_instances(
        sam,
        embedding,
        reference.target,
        least_similarity=reference.least_location,
        guidance=options.guidance,
        max_instances=options.max_instances,
        mask_weights=reference.mask_weights if options.fine_tuned else None,
    )


def claimed(
    encoder: SemanticEncoder,
    references: Sequence[Reference],
    found: Sequence[Sequence[Candidate]],
    image: NDArray[np.uint8],
    embedding: ImageEmbedding,
    options: SearchOptions,
) -> list[Claim]:
    """Say which label each candidate belongs to, if any."""
    if not options.semantic_check:
        return unchecked(references, found)
    return checked(encoder, references, found, image, embedding, min_similarity=options.min_similarity)


def without_doubles(claims: Sequence[Claim]) -> list[Claim]:
    """Keep one claim per object, best first: of masks that overlap, the most confident stays."""
    if not claims:
        return []
    masks = torch.stack([claim.candidate.mask for claim in claims])
    return [claims[i] for i in distinct(masks, [claim.confidence for claim in claims])]


def instance(sam: Sam, embedding: ImageEmbedding, claim: Claim) -> Instance:
    """Bring a claim to the size of the image."""
    mask = (sam.upscale(claim.candidate.logits, embedding) > 0).cpu().numpy()
    return Instance(claim.label, mask, claim.confidence, claim.similarity)
