"""Opening any transformers network that can say what an image shows."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import MODEL_MAPPING, AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer

from backend.checkpoints.errors import UnusableCheckpointError
from backend.checkpoints.progress import without_disk_progress
from backend.checkpoints.semantic import Colour, SemanticCheckpoint
from backend.checkpoints.semantic_networks import Clip, Siglip, vision_network

USABLE = (
    "ONESHOT_SEMANTICS takes `efficientnet-lite0`, `sam`, a hub id such as facebook/dinov2-small, or a "
    "folder written by save_pretrained. Families that work: CLIP, SigLIP, ViT, DeiT, BEiT, DINOv2, DINOv3, "
    "ConvNeXt, and others whose output is a map or one token per patch"
)
CLIP, SIGLIP = "clip", "siglip"
UNUSED_WEIGHTS = ("pooler.",)  # classifiers come without them
WORDS_KEPT = 256
UNUSABLE = (
    AttributeError, ImportError, KeyError, OSError, RuntimeError, SafetensorError, TypeError, ValueError,
    UnusableCheckpointError,
)  # fmt: skip


def open_transformers_encoder(name: str, *, cache_dir: Path, device: torch.device) -> SemanticCheckpoint:
    """Open a transformers checkpoint with its image processor, and its tokenizer if it reads.

    Args:
        name: hub id or folder.
        cache_dir: folder for model weights.
        device: where it computes.

    Raises:
        UnusableCheckpointError: no such checkpoint, a broken one, or one of a family that cannot work.
    """
    try:
        return _opened(name, cache_dir / "hub", device)
    except UNUSABLE as exc:
        raise UnusableCheckpointError(f"cannot open {name!r} as a semantic encoder: {exc}. {USABLE}") from exc


def _opened(name: str, hub: Path, device: torch.device) -> SemanticCheckpoint:
    config = AutoConfig.from_pretrained(name, cache_dir=hub)
    reads = config.model_type in {CLIP, SIGLIP}
    if not reads and not looks_at_images(config):
        raise UnusableCheckpointError(f"architecture {config.model_type!r} is not made for images alone")
    processor = AutoImageProcessor.from_pretrained(name, cache_dir=hub).to_dict()
    mean, std = normalisation(processor)
    model = _model(name, hub).to(device).eval().requires_grad_(requires_grad=False)
    if not reads:
        plain = vision_network(model, config)
        return SemanticCheckpoint(plain.features, None, crop_size(processor), plain.stride, mean, std)
    kind = Clip if config.model_type == CLIP else Siglip
    network = kind(model, config.vision_config.patch_size)
    return SemanticCheckpoint(
        *(network.features, network.pooled, crop_size(processor), network.stride, mean, std),
        read=_reader(model, _tokenizer(name, hub, config.text_config.vocab_size)),
        text_scale=float(network.model.logit_scale.exp()),
    )


def looks_at_images(config: Any) -> bool:  # noqa: ANN401 - transformers is untyped
    """True for an architecture that takes an image and needs nothing besides."""
    return getattr(MODEL_MAPPING.get(type(config), None), "main_input_name", None) == "pixel_values"


def _model(name: str, hub: Path) -> Any:  # noqa: ANN401
    """Load a network with every weight that is used, in single precision."""
    without_disk_progress()
    model, report = AutoModel.from_pretrained(
        name, cache_dir=hub, output_loading_info=True, dtype=torch.float32
    )
    missing = sorted(key for key in report["missing_keys"] if not key.startswith(UNUSED_WEIGHTS))
    if missing:
        raise UnusableCheckpointError(f"it lacks the weights {missing[:5]}")
    return model


def _tokenizer(name: str, hub: Path, vocabulary: int) -> Any:  # noqa: ANN401
    """Load a tokenizer; where its files are missing, transformers makes an empty one up."""
    tokenizer = AutoTokenizer.from_pretrained(name, cache_dir=hub)
    if len(tokenizer) < vocabulary / 2:
        raise UnusableCheckpointError(f"expected a tokenizer of {vocabulary} tokens, got {len(tokenizer)}")
    return tokenizer


def crop_size(processor: dict[str, Any]) -> int:
    """Side of the square that an image processor makes of an image, in pixels."""
    size = processor["crop_size" if processor.get("do_center_crop") else "size"]
    return int(size.get("height") or size["shortest_edge"])


def normalisation(processor: dict[str, Any]) -> tuple[Colour, Colour]:
    """Mean and standard deviation of an image processor, brought to pixels in [0, 255]."""
    scale = processor["rescale_factor"] if processor.get("do_rescale", True) else 1.0
    if not processor.get("do_normalize", True):
        return (0.0, 0.0, 0.0), (1 / scale,) * 3
    mean, std = (
        tuple(value / scale for value in processor[values]) for values in ("image_mean", "image_std")
    )
    return mean, std


def _reader(model: Any, tokenizer: Any) -> Callable[[str], Tensor]:  # noqa: ANN401
    """Text to its vector; each text is read once.

    SigLIP was trained on lower-case texts padded to full length, all of it attended to; CLIP on texts that
    nothing follows.
    """
    longest = model.config.text_config.max_position_embeddings
    padding = "max_length" if model.config.model_type == SIGLIP else "do_not_pad"

    @lru_cache(maxsize=WORDS_KEPT)
    def read(text: str) -> Tensor:
        tokens = tokenizer(
            text.lower(), padding=padding, truncation=True, max_length=longest, return_tensors="pt"
        )
        features: Tensor = model.get_text_features(tokens["input_ids"].to(model.device)).pooler_output
        return features[0]

    return read
