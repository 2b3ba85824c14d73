"""What everything after the encoder costs: against the encoder, against peers, and as images grow."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import SamModel

from backend.checkpoints.device import usable_device
from backend.checkpoints.mobilesam import DECODER, fetch_mobilesam
from backend.checkpoints.sam import MOBILESAM
from backend.checkpoints.sam_transformers import open_transformers_sam
from backend.evaluation.cascade_peer import looped
from backend.evaluation.matching import match_instances
from backend.evaluation.metrics import scores, tally
from backend.evaluation.rle import encode
from backend.evaluation.scattered_coins import ScatteredCoins, jpeg, scattered_coins
from backend.labelstudio.images import DecodedImage, ImageLimits, decode_reduced
from backend.vision.finetune import FOCAL_ALPHA, FOCAL_GAMMA, SMOOTHING, mask_weights
from backend.vision.location_prior import POSITIVE
from backend.vision.pipeline import Models, SearchOptions, find_instances
from backend.vision.prototype import reference_logits
from backend.vision.reference import Reference, build_reference
from backend.vision.views import MAX_TILES, enough_side

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from backend.vision.sam import ImageEmbedding, Sam

PeerModel: TypeAlias = SamModel
LIMITS = ImageLimits(enough_side=enough_side(MAX_TILES))  # as workers have it, unless told
SIDE = 1024  # pixels of the scenes in which only the number of things grows
THINGS = 10  # in the scenes in which only the pixels grow
LABEL = "coin"
REFERENCE_SEED, TEST_SEED = 0, 1
EPOCHS, LEARNING_RATE, END_RATE = 1000, 1e-3, 1e-5  # of PerSAM-F as published


@dataclass(frozen=True)
class SearchCost:
    """What one way to find the things of one scene takes; CPU time of all cores, in milliseconds.

    Attributes:
        way: ``pipeline``, ``sam-loop`` or ``persam-loop``.
        things: in the image.
        megapixels: of the image.
        found: instances.
        f1: against the truth, a match from IoU 0.5.
        encode_ms: of the image encoder, over all tiles.
        check_ms: of the semantic encoder on the crops of candidates.
        after_ms: of everything else but the encoder, the check among it.
        decode_ms: of reading the image's JPEG; 0 where it was there as pixels.
    """

    way: str
    things: int
    megapixels: float
    found: int
    f1: float
    encode_ms: float
    check_ms: float
    after_ms: float
    decode_ms: float = 0.0

    @property
    def image_ms(self) -> float:
        """All of the image's time."""
        return self.decode_ms + self.encode_ms + self.after_ms

    @property
    def ratio(self) -> float:
        """Everything after the encoder, by the encoder."""
        return self.after_ms / self.encode_ms

    @property
    def instance_ms(self) -> float:
        """Everything after the encoder, for one instance."""
        return self.after_ms / max(self.found, 1)


@dataclass(frozen=True)
class FitCost:
    """PerSAM-F's fit on one reference.

    Attributes:
        fit_ms: of this program: one decode and its search of all mixes, CPU time.
        published_ms: of the published procedure: 1,000 decodes by transformers' model, one of them timed, and
            1,000 steps of gradient descent.
        weights: of part, whole and more, as fitted here.
        published_weights: as gradient descent leaves them.
        loss: of the mix with *weights*.
        published_loss: of the mix with *published_weights*.
    """

    fit_ms: float
    published_ms: float
    weights: tuple[float, ...]
    published_weights: tuple[float, ...]
    loss: float
    published_loss: float


class Stopwatch:
    """Stands for a part of the models, and adds up the CPU time of some of its methods."""

    def __init__(self, part: object, *methods: str) -> None:
        self._part, self._methods = part, methods
        self.spent_ms = 0.0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the part has
        own = getattr(self._part, name)
        return self._timed(own) if name in self._methods else own

    def _timed(self, work: Callable[..., object]) -> Callable[..., object]:
        def timed(*args: object, **options: object) -> object:
            started = time.process_time()
            answer = work(*args, **options)
            self.spent_ms += (time.process_time() - started) * 1000
            return answer

        return timed


def peer_model(sam: str, *, cache_dir: Path, device: str) -> PeerModel | None:
    """As ``transformers_model``; None also where it is not on a CPU."""
    model = transformers_model(sam, cache_dir=cache_dir, device=device)
    return model if usable_device(device).type == "cpu" else None


def transformers_model(sam: str, *, cache_dir: Path, device: str) -> PeerModel | None:
    """The own model of transformers with the weights of a checkpoint; None where it is no first SAM.

    Raises:
        CheckpointError: weights that cannot be had or used, or a device that is not there.
    """
    name = str(fetch_mobilesam(cache_dir) / DECODER) if sam == MOBILESAM else sam
    model, _ = open_transformers_sam(name, cache_dir=cache_dir, device=usable_device(device))
    return cast("PeerModel", model) if isinstance(model, SamModel) else None


def growing_things(models: Models, counts: Sequence[int], *, rounds: int) -> list[SearchCost]:
    """The pipeline on scenes of one size with more and more things."""
    return [pipeline_cost(models, *_scenes(count, SIDE), rounds=rounds) for count in counts]


def growing_pixels(models: Models, megapixels: Sequence[float], *, rounds: int) -> list[SearchCost]:
    """The pipeline on JPEGs of ever more pixels with the same number of things."""
    sides = [round(math.sqrt(one * 1e6)) for one in megapixels]
    return [pipeline_cost(models, *_scenes(THINGS, side), rounds=rounds, from_jpeg=True) for side in sides]


def peer_costs(models: Models, model: PeerModel, counts: Sequence[int], *, rounds: int) -> list[SearchCost]:
    """The report's loop with transformers' SAM on the same scenes: one decode an instance, and three."""
    return [
        peer_cost(models, model, *_scenes(count, SIDE), refined=refined, rounds=rounds)
        for count in counts
        for refined in (False, True)
    ]


def pipeline_cost(
    models: Models, shot: ScatteredCoins, scene: ScatteredCoins, *, rounds: int, from_jpeg: bool = False
) -> SearchCost:
    """The least that the pipeline took in some rounds, after one that is not counted.

    Args:
        models: the networks.
        shot: of which the first thing is the reference.
        scene: that is searched.
        rounds: that are counted.
        from_jpeg: the scene is a file, decoded as workers do; else its pixels are there.
    """
    reference = _reference(models, shot)
    costs, file = [], jpeg(scene.image) if from_jpeg else b""
    image, decode_ms = DecodedImage.whole(scene.image), 0.0
    for _ in range(rounds + 1):
        if from_jpeg:
            started = time.process_time()
            image = decode_reduced(file, limits=LIMITS)
            decode_ms = (time.process_time() - started) * 1000
        sam, semantic = (
            Stopwatch(models.sam, "embed", "embed_together"),
            Stopwatch(models.semantic, "vectors"),
        )
        watched = Models(cast("Sam", sam), cast("Any", semantic))
        started = time.process_time()
        found = find_instances(
            watched, [reference], image.pixels, options=SearchOptions(), size_hw=image.size_hw
        )
        after_ms = (time.process_time() - started) * 1000 - sam.spent_ms
        masks = [one.mask for one in found.instances]
        cost = _cost("pipeline", scene, masks, sam.spent_ms, semantic.spent_ms, after_ms)
        costs.append(replace(cost, decode_ms=decode_ms))
    return min(costs[1:], key=lambda cost: cost.after_ms)


def peer_cost(
    models: Models,
    model: PeerModel,
    shot: ScatteredCoins,
    scene: ScatteredCoins,
    *,
    refined: bool,
    rounds: int,
) -> SearchCost:
    """The least that a peer took in some rounds; its loop ends after twice as many as there are things."""
    reference, costs = _reference(models, shot), []
    for _ in range(rounds):
        started = time.process_time()
        embedding = models.sam.embed(scene.image)
        encoded = time.process_time()
        masks = looped(
            *(model, models.sam, embedding, reference), refined=refined, at_most=2 * len(scene.masks)
        )
        ended = time.process_time()
        spent = (encoded - started) * 1000, 0.0, (ended - encoded) * 1000
        costs.append(_cost("persam-loop" if refined else "sam-loop", scene, masks, *spent))
    return min(costs, key=lambda cost: cost.after_ms)


def fit_cost(models: Models, model: PeerModel) -> FitCost:
    """PerSAM-F's fit on a coin among ten."""
    scene = scattered_coins(THINGS, size_hw=(SIDE, SIDE), seed=REFERENCE_SEED)
    embedding, mask = models.sam.embed(scene.image), scene.masks[0]
    rows, columns = np.nonzero(mask)
    points_xy = torch.tensor([[[float(columns.mean()), float(rows.mean())]]])
    coverage = (reference_logits(mask, embedding) > 0).float()
    started = time.process_time()
    logits = models.sam.decode(embedding, points_xy=points_xy, labels=torch.tensor([[POSITIVE]])).logits[0]
    weights = mask_weights(logits, coverage)
    fit_ms = (time.process_time() - started) * 1000
    decode_ms = _decode_ms(model, embedding, points_xy)
    started = time.process_time()
    published = published_weights(logits, coverage)
    published_ms = (time.process_time() - started) * 1000 + EPOCHS * decode_ms
    losses = [float(_loss(torch.einsum("m,mhw->hw", one, logits), coverage)) for one in (weights, published)]
    return FitCost(fit_ms, published_ms, tuple(weights.tolist()), tuple(published.tolist()), *losses)


def published_weights(logits: Tensor, coverage: Tensor) -> Tensor:
    """PerSAM-F's gradient descent on the masks of one decode, which never change; (3,) float.

    Args:
        logits: of part, whole and more, (3, 4h, 4w) float.
        coverage: the reference mask, (4h, 4w) float.
    """
    free = torch.nn.Parameter(torch.ones(2) / 3)
    optimiser = torch.optim.AdamW([free], lr=LEARNING_RATE, eps=1e-4)
    pace = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS, eta_min=END_RATE)
    for _ in range(EPOCHS):
        weights = torch.cat([1 - free.sum(dim=0, keepdim=True), free])
        loss = _loss(torch.einsum("m,mhw->hw", weights, logits), coverage)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        pace.step()
    return torch.cat([1 - free.sum(dim=0, keepdim=True), free]).detach()


def _loss(logits: Tensor, coverage: Tensor) -> Tensor:
    """Dice and focal loss as published, of one mask."""
    probability = logits.sigmoid()
    shared = (probability * coverage).sum()
    dice = 1 - (2 * shared + SMOOTHING) / (probability.sum() + coverage.sum() + SMOOTHING)
    entropy = binary_cross_entropy_with_logits(logits, coverage, reduction="none")
    right = probability * coverage + (1 - probability) * (1 - coverage)
    balance = FOCAL_ALPHA * coverage + (1 - FOCAL_ALPHA) * (1 - coverage)
    return dice + (balance * (1 - right) ** FOCAL_GAMMA * entropy).mean()


@torch.no_grad()
def _decode_ms(model: PeerModel, embedding: ImageEmbedding, points_xy: Tensor, *, rounds: int = 5) -> float:
    """The least that one decode of transformers' model took."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        model(
            image_embeddings=embedding.features.float()[None],
            input_points=points_xy[None],
            input_labels=torch.tensor([[[POSITIVE]]]),
        )
        times.append((time.process_time() - started) * 1000)
    return min(times)


def _scenes(count: int, side: int) -> tuple[ScatteredCoins, ScatteredCoins]:
    """The scene of which one thing is annotated, and the one that is searched."""
    shot, scene = (
        scattered_coins(count, size_hw=(side, side), seed=seed) for seed in (REFERENCE_SEED, TEST_SEED)
    )
    return shot, scene


def _reference(models: Models, shot: ScatteredCoins) -> Reference:
    return build_reference(models.sam, models.semantic, shot.image, shot.masks[:1], label=LABEL)


def _cost(
    way: str,
    scene: ScatteredCoins,
    masks: Sequence[NDArray[np.bool_]],
    encode_ms: float,
    check_ms: float,
    after_ms: float,
) -> SearchCost:
    true = [encode(mask) for mask in scene.masks]
    match = match_instances([encode(mask) for mask in masks], true)
    height, width = scene.image.shape[:2]
    return SearchCost(
        *(way, len(true), height * width / 1e6, len(masks)),
        scores(tally(match, len(true))).f1,
        *(encode_ms, check_ms, after_ms),
    )
