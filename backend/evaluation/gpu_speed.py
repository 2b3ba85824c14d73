"""SAM's large image encoders on a GPU: against transformers' ``SamModel``, and against the GPU itself.

Their weights are random, for only their time counts: what they say is thrown away, and the search goes on
with what another SAM says of the same image, which takes no time, so that there are as many decodes as in a
real search. Mask decoders are as large in all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import SamConfig, SamModel, SamVisionConfig

from backend.checkpoints.sam_encoder import SamEncoder
from backend.checkpoints.sam_families import SAM
from backend.checkpoints.timing import least_seconds
from backend.evaluation.cascade_peer import looped
from backend.evaluation.job_speed import Masks, Way
from backend.evaluation.search_speed import PeerModel, Stopwatch
from backend.vision.pipeline import Models, SearchOptions, find_instances
from backend.vision.reference import Reference
from backend.vision.sam import ImageEmbedding, Sam

PEER, OURS = "SamModel, float32", "this program"
DEVIATION = 0.02  # of random weights; by transformers' own, numbers become too small to be computed with
SHAPES: dict[str, dict[str, Any]] = {
    "vit-l": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "mlp_dim": 4096,
        "global_attn_indexes": [5, 11, 17, 23],
    },
    "vit-h": {
        "hidden_size": 1280,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "mlp_dim": 5120,
        "global_attn_indexes": [7, 15, 23, 31],
    },
    "tiny": {  # shows that the code runs, on any machine
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "mlp_dim": 32,
        "global_attn_indexes": [0],
        "image_size": 64,
        "num_pos_feats": 128,
    },
}


@dataclass(frozen=True)
class EncoderSpeed:
    """What one way to encode images reaches.

    Attributes:
        size: of the encoder, by its name in ``SHAPES``.
        way: ``PEER``, or this program with its numbers, compiled or not.
        batch: images at once.
        images_per_s: on the wall.
        tera_per_s: multiplications and additions, each counted as one, in 10^12 a second.
        share: of the rate of matrix multiplication in bfloat16 that the device has.
    """

    size: str
    way: str
    batch: int
    images_per_s: float
    tera_per_s: float
    share: float


def random_sam(size: str, device: torch.device) -> SamModel:
    """A ``SamModel`` with the image encoder of that size, and random weights."""
    config = SamConfig(vision_config={**SHAPES[size], "initializer_range": DEVIATION})
    with device:
        model = SamModel(config)
    return model.eval().requires_grad_(requires_grad=False)


def encoder_operations(config: SamVisionConfig) -> float:
    """Multiplications and additions of one image, each counted as one; padding of windows is not work.

    Linear layers, attention, patch embedding and neck; positions, norms and GELU are left out.
    """
    tokens, width = (config.image_size // config.patch_size) ** 2, config.hidden_size
    linear = 2 * tokens * width * (4 * width + 2 * config.mlp_dim)
    whole = 4 * tokens**2 * width
    windows = 4 * tokens * min(config.window_size**2, tokens) * width
    layers, wholes = config.num_hidden_layers, len(config.global_attn_indexes)
    attention = wholes * whole + (layers - wholes) * windows
    patches = 2 * tokens * width * 3 * config.patch_size**2
    neck = 2 * tokens * config.output_channels * (width + 9 * config.output_channels)
    return float(layers * linear + attention + patches + neck)


def matrix_rate(device: torch.device, *, side: int, rounds: int) -> float:
    """Multiplications and additions of square matrices in bfloat16, the best of some rounds, a second.

    Args:
        device: where.
        side: of the matrices.
        rounds: how often.
    """
    left, right = (torch.randn(side, side, device=device).to(torch.bfloat16) for _ in range(2))
    return 2 * side**3 / least_seconds(lambda: left @ right, device, rounds=rounds)


def encoder_speeds(
    size: str,
    device: torch.device,
    dtype: torch.dtype,
    *,
    batches: Sequence[int],
    compiled: bool,
    rate: float,
    rounds: int,
) -> list[EncoderSpeed]:
    """Time the encoder of one size: the peer on one image at a time, this program's ways on several at once.

    Args:
        size: by its name in ``SHAPES``.
        device: where.
        dtype: what this program computes with.
        batches: images at once.
        compiled: time it compiled by torch, too.
        rate: of matrix multiplication, see ``matrix_rate``.
        rounds: how often each.
    """
    model = random_sam(size, device)
    vision = model.config.vision_config
    operations = encoder_operations(vision)
    pixels = torch.randn(max(batches), 3, vision.image_size, vision.image_size, device=device)

    def speed(way: str, encode: Callable[[Tensor], object], batch: int) -> EncoderSpeed:
        seconds = least_seconds(lambda: encode(pixels[:batch]), device, rounds=rounds)
        per_s = batch / seconds
        return EncoderSpeed(size, way, batch, per_s, per_s * operations / 1e12, per_s * operations / rate)

    with torch.no_grad():
        found = [speed(PEER, model.get_image_embeddings, 1)]
    plain = SamEncoder(model, SAM, device, dtype)
    found += [speed(f"{OURS}, {plain.numerics or 'float32'}", plain, batch) for batch in batches]
    if compiled:
        plain.compile(only_if_faster=False)
        found += [speed(f"{OURS}, compiled", plain, batch) for batch in batches]
    return found


def gpu_ways(
    size: str,
    models: Models,
    model: PeerModel,
    reference: Reference,
    device: torch.device,
    dtype: torch.dtype,
    *,
    options: SearchOptions,
    at_most: int,
) -> tuple[Way, Way]:
    """This program's way to find the things of an image, and the peer's, both with the encoder of one size.

    Args:
        size: by its name in ``SHAPES``.
        models: what they find with; its SAM lends embeddings.
        model: transformers' own with the weights of that SAM, on *device*.
        reference: what is looked for.
        device: where.
        dtype: what this program's encoder computes with.
        options: how this program searches.
        at_most: bound on the instances that the peer looks for.
    """
    own, peer = random_sam(size, device), random_sam(size, device)
    side = own.config.vision_config.image_size
    encoder = Stopwatch(Sam(own, SamEncoder(own, SAM, device, dtype), input_size=side), "embed")
    peers_encoder = Stopwatch(Sam(peer, peer.get_image_embeddings, input_size=side), "embed")

    def search(image: NDArray[np.uint8], lent: ImageEmbedding | None) -> Masks:
        encoder.embed(image)
        found = find_instances(models, [reference], image, options=options, embedding=lent)
        return [one.mask for one in found.instances]

    def peers_search(image: NDArray[np.uint8], lent: ImageEmbedding | None) -> Masks:
        peers_encoder.embed(image)
        lent = cast("ImageEmbedding", lent)
        return looped(model, models.sam, lent, reference, refined=False, at_most=at_most)

    return (
        Way(OURS, encoder, search, lender=models.sam),
        Way(PEER, peers_encoder, peers_search, lender=models.sam),
    )
