"""One annotated mask in, every instance of the thing out."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.candidate import Candidate, distinct
from backend.vision.check import Claim, checked, unchecked
from backend.vision.guidance import GuidanceMode
from backend.vision.instance import Instance, mask_window
from backend.vision.reference import Reference
from backend.vision.sam import ImageEmbedding, Sam
from backend.vision.search import search_instances
from backend.vision.semantics import SemanticEncoder
from backend.vision.similarity import similarity_map
from backend.vision.sweep import sweep_instances


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
        search: ``loop`` as the report has it, label by label; ``sweep`` looks for all labels at once.
        guidance: how the target guides the first prediction of the loop.
        min_similarity: least semantic cosine of an instance; None: follows from each reference.
        max_instances: bound on the rounds of a search; never what ends it
            normally.
        semantic_check: off, every candidate of the search is an instance.
        fine_tuned: predict as PerSAM-F does, with the mask weights fitted on the reference.
    """

    search: Literal["loop", "sweep"] = "sweep"
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
        limits: bounds that ended the search early, for a person to read.
    """

    instances: tuple[Instance, ...]
    seconds: StageSeconds
    limits: tuple[str, ...] = ()


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
    similarities = torch.stack(
        [similarity_map(embedding.features, one.target, embedding.valid) for one in references]
    )
    candidates = searched(models.sam, embedding, references, similarities, options)
    times.append(time.perf_counter())
    claims = claimed(models.semantic, references, similarities, candidates, image, embedding, options)
    instances = tuple(instance(models.sam, embedding, claim) for claim in without_doubles(claims))
    times.append(time.perf_counter())
    encode, search, check = (after - before for before, after in itertools.pairwise(times))
    return Segmentation(instances, StageSeconds(encode, search, check))


def searched(
    sam: Sam,
    embedding: ImageEmbedding,
    references: Sequence[Reference],
    similarities: Tensor,
    options: SearchOptions,
) -> list[Candidate]:
    """Search the image for all references."""
    if options.search == "sweep":
        return sweep_instances(sam, embedding, references, similarities, max_instances=options.max_instances)
    return [
        candidate
        for finder, reference in enumerate(references)
        for candidate in search_instances(
            sam,
            embedding,
            reference,
            finder=finder,
            guidance=options.guidance,
            max_instances=options.max_instances,
            fine_tuned=options.fine_tuned,
        )
    ]


def claimed(
    encoder: SemanticEncoder,
    references: Sequence[Reference],
    similarities: Tensor,
    candidates: Sequence[Candidate],
    image: NDArray[np.uint8],
    embedding: ImageEmbedding,
    options: SearchOptions,
) -> list[Claim]:
    """Say which label each candidate belongs to, if any."""
    if not options.semantic_check:
        return unchecked(references, similarities, candidates)
    return checked(
        encoder, references, similarities, candidates, image, embedding, min_similarity=options.min_similarity
    )


def without_doubles(claims: Sequence[Claim]) -> list[Claim]:
    """Keep one claim per object, best first: of masks that overlap, the most confident stays."""
    if not claims:
        return []
    masks = torch.stack([claim.candidate.mask for claim in claims])
    return [claims[i] for i in distinct(masks, [claim.confidence for claim in claims])]


def instance(sam: Sam, embedding: ImageEmbedding, claim: Claim) -> Instance:
    """Bring a claim to the size of the image."""
    mask = (sam.upscale(claim.candidate.logits, embedding) > 0).cpu().numpy()
    return Instance(claim.label, mask_window(mask), claim.confidence, claim.similarity)
