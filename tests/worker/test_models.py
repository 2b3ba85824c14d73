"""Weights from the disk into the core."""

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.checkpoints.errors import UnusableDeviceError
from backend.vision.semantics import CropEncoder
from backend.worker.models import load_models
from tests.tiny_sam import INPUT_SIZE, tiny_sam_model


def test_a_checkpoint_of_ones_own_is_opened_with_its_own_input_size(tmp_path: Path) -> None:
    """A folder as save_pretrained writes it; the semantic encoder is the embedded one."""
    tiny_sam_model().save_pretrained(tmp_path / "sam")

    models = load_models(sam=str(tmp_path / "sam"), cache_dir=tmp_path / "cache", device="cpu", threads=0)

    embedding = models.sam.embed(np.zeros((38, 64, 3), dtype=np.uint8))
    assert embedding.input_size == INPUT_SIZE
    assert isinstance(models.semantic, CropEncoder)
    vectors = models.semantic.crop_vectors(torch.zeros(2, 3, 224, 224, dtype=torch.uint8))
    assert vectors.shape == (2, 1280)


def test_a_device_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Said before anything is fetched or computed."""
    with pytest.raises(UnusableDeviceError, match="cuda:9"):
        load_models(sam=str(tmp_path), cache_dir=tmp_path, device="cuda:9", threads=0)
