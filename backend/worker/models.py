"""The composition of checkpoints and vision: weights from the disk into the core."""

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from backend.checkpoints.device import Compiling, images_together, usable_device
from backend.checkpoints.digest import weights_digest
from backend.checkpoints.precision import Wanted, choose_precision
from backend.checkpoints.sam import open_sam
from backend.checkpoints.semantic import EFFICIENTNET_LITE0, open_semantic
from backend.settings import Settings
from backend.vision.pipeline import Models
from backend.vision.sam import Sam
from backend.vision.semantics import CropEncoder, SamSemantics, SemanticEncoder, Words
from backend.worker.allocator import give_back_freed
from backend.worker.embedding_cache import CachedNetwork, EmbeddingCache

SAM_SEMANTICS = "sam"

Encode = Callable[[Tensor], Tensor | Sequence[Tensor]]

logger = logging.getLogger(__name__)


def load_models(
    *,
    sam: str,
    cache_dir: Path,
    device: str,
    threads: int,
    semantics: str = EFFICIENTNET_LITE0,
    cache: EmbeddingCache | None = None,
    precision: Wanted = "auto",
    compiling: Compiling = "off",
) -> Models:
    """Open both networks, once per process.

    Args:
        sam: ``mobilesam``, or a transformers SAM checkpoint: hub id or folder.
        cache_dir: folder for model weights.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: CPU threads of this process; 0: all cores.
        semantics: the semantic encoder: ``efficientnet-lite0``, ``sam`` for SAM's own features, or a
            transformers checkpoint: hub id or folder.
        cache: keeps what both say about whole images and tiles; None: nothing is kept, nor rounded.
        precision: the numbers that they compute with; ``auto``: those that the device is fast with.
        compiling: whether to compile a transformers SAM's image encoder, see ``open_sam``.

    Raises:
        CheckpointError: weights that cannot be had or used, or a device that is not there.
    """
    if threads:
        torch.set_num_threads(threads)
    where = usable_device(device)
    chosen = choose_precision(where, precision)
    logger.info("computing on %s with %s", where, chosen)
    checkpoint = open_sam(
        sam, cache_dir=cache_dir, device=device, dtype=chosen.dtype, int8=chosen.int8, compiling=compiling
    )
    encode = checkpoint.encode_pixels
    if cache is not None:
        digest = _computed(weights_digest(sam, cache_dir=cache_dir), checkpoint.numerics)
        encode = CachedNetwork(encode, cache, digest)
    semantic = semantic_encoder(
        semantics, cache_dir=cache_dir, device=device, dtype=chosen.dtype, cache=cache
    )
    opened = Sam(
        *(checkpoint.model, _tidied(encode)),
        input_size=checkpoint.input_size,
        products=checkpoint.products,
        images_per_pass=images_together(where),
    )
    return Models(opened, semantic)


def configured_models(
    settings: Settings, *, cache: EmbeddingCache | None = None, compiling: Compiling = "off"
) -> Models:
    """Open both networks as the settings say, once per process; the rest as in ``load_models``.

    ONESHOT_COMPILE is left to the caller: only a process that goes on for long makes good what it takes.
    """
    return load_models(
        sam=settings.oneshot_sam,
        semantics=settings.oneshot_semantics,
        cache_dir=settings.oneshot_cache,
        device=settings.oneshot_device,
        threads=settings.oneshot_threads,
        cache=cache,
        precision=settings.oneshot_precision,
        compiling=compiling,
    )


def _tidied(encode: Encode) -> Encode:
    """The same, and what images before this one left behind is given back first."""

    def tidied(pixels: Tensor) -> Tensor | Sequence[Tensor]:
        give_back_freed()
        return encode(pixels)

    return tidied


def semantic_encoder(
    name: str,
    *,
    cache_dir: Path,
    device: str,
    dtype: torch.dtype = torch.float32,
    cache: EmbeddingCache | None = None,
) -> SemanticEncoder:
    """Open a semantic encoder that computes with *dtype*; the rest as in ``load_models``."""
    if name == SAM_SEMANTICS:
        return SamSemantics()
    opened = open_semantic(name, cache_dir=cache_dir, device=device, dtype=dtype)
    read = functools.cache(opened.read) if opened.read else None  # labels come again
    encoder = CropEncoder(
        opened.features,
        input_size=opened.input_size,
        stride=opened.stride,
        mean=opened.mean,
        std=opened.std,
        device=str(usable_device(device)),
        pooled=opened.pooled,
        words=Words(read, opened.text_scale) if read else None,
    )
    if cache is None:
        return encoder
    return _cached(encoder, cache, _computed(weights_digest(name, cache_dir=cache_dir), opened.numerics))


def _computed(digest: str, numerics: str) -> str:
    """Name weights and what they are computed with: other numbers, other features, by rounding."""
    return f"{digest} {numerics}".strip()


def _cached(encoder: CropEncoder, cache: EmbeddingCache, digest: str) -> CropEncoder:
    """Keep the encoder's map of an image; its crops, cut along masks, are others for every reference."""
    network = CachedNetwork(encoder.features, cache, digest)
    return replace(
        encoder,
        features=lambda pixels: network(pixels)[0],
        pooled=encoder.pooled or (lambda pixels: encoder.features(pixels).mean(dim=(2, 3))),
    )
