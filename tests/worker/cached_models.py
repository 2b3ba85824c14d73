"""Tiny models with a cache, as a worker has them."""

import torch

from backend.vision.pipeline import Models
from backend.vision.sam import Sam
from backend.vision.semantics import CropEncoder
from backend.worker.embedding_cache import CachedNetwork, EmbeddingCache
from tests.tiny_sam import INPUT_SIZE, tiny_sam_model


def cached_models(embeddings: EmbeddingCache) -> Models:
    """Open a tiny random SAM and an encoder of colours that keep what they say in *embeddings*."""
    torch.set_num_threads(1)
    model = tiny_sam_model()
    network = CachedNetwork(lambda pixels: pixels[..., ::32, ::32], embeddings, "semantic")
    semantic = CropEncoder(lambda pixels: network(pixels)[0], pooled=lambda crops: crops.mean(dim=(2, 3)))
    encode = CachedNetwork(model.get_image_embeddings, embeddings, "sam")
    return Models(Sam(model, encode, input_size=INPUT_SIZE), semantic)
