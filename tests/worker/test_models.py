"""Weights from the disk into the core."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.checkpoints.errors import UnusableDeviceError
from backend.checkpoints.precision import Wanted
from backend.vision.semantics import CropEncoder, SamSemantics
from backend.worker.embedding_cache import EmbeddingCache
from backend.worker.models import load_models
from tests.tiny_sam import INPUT_SIZE, tiny_sam_model
from tests.tiny_semantics import save_clip


def test_a_checkpoint_of_ones_own_is_opened_with_its_own_input_size(tmp_path: Path) -> None:
    """A folder as save_pretrained writes it; the semantic encoder is the embedded one."""
    tiny_sam_model().save_pretrained(tmp_path / "sam")

    models = load_models(sam=str(tmp_path / "sam"), cache_dir=tmp_path / "cache", device="cpu", threads=0)

    embedding = models.sam.embed(np.zeros((38, 64, 3), dtype=np.uint8))
    assert embedding.input_size == INPUT_SIZE
    assert isinstance(models.semantic, CropEncoder)
    vectors = models.semantic.crop_vectors(torch.zeros(2, 3, 224, 224, dtype=torch.uint8))
    assert vectors.shape == (2, 1280)


def test_the_semantic_encoder_is_the_one_that_was_asked_for(tmp_path: Path) -> None:
    """SAM's own features, or a folder as save_pretrained writes it; the latter may come with words."""
    tiny_sam_model().save_pretrained(tmp_path / "sam")
    folder = save_clip(tmp_path / "clip")

    own, clip = (
        load_models(
            sam=str(tmp_path / "sam"), cache_dir=tmp_path, device="cpu", threads=0, semantics=semantics
        ).semantic
        for semantics in ("sam", str(folder))
    )

    assert isinstance(own, SamSemantics)
    assert clip.text_vector("fig") is not None


def test_an_image_is_encoded_once_by_all_processes_that_share_a_cache(tmp_path: Path) -> None:
    """By both networks; crops, and images under other weights, are others."""
    image = np.random.default_rng(0).integers(0, 255, (38, 64, 3), dtype=np.uint8)
    tiny_sam_model().save_pretrained(tmp_path / "sam")
    tiny_sam_model(seed=1).save_pretrained(tmp_path / "other")
    counts = []
    embeddings = []
    for sam in ("sam", "sam", "other"):
        cache = EmbeddingCache(tmp_path / "embeddings", max_bytes=2**30)
        models = load_models(
            sam=str(tmp_path / sam), cache_dir=tmp_path / "cache", device="cpu", threads=0, cache=cache
        )
        embedding = models.sam.embed(image)
        embeddings += [embedding.features, models.semantic.dense(image, embedding)]
        assert isinstance(models.semantic, CropEncoder)
        models.semantic.crop_vectors(torch.zeros(1, 3, 224, 224, dtype=torch.uint8))
        counts.append((cache.counts["hit"], cache.counts["miss"]))

    assert counts == [(0, 2), (2, 0), (1, 1)]
    assert torch.equal(embeddings[0], embeddings[2])
    assert torch.equal(embeddings[1], embeddings[3])
    assert not torch.equal(embeddings[0], embeddings[4])


def test_what_was_computed_with_other_numbers_is_not_taken(tmp_path: Path) -> None:
    """The semantic encoder's, which int8 leaves as it is; a SAM of transformers is float32 on a CPU."""
    image = np.random.default_rng(0).integers(0, 255, (38, 64, 3), dtype=np.uint8)
    tiny_sam_model().save_pretrained(tmp_path / "sam")
    counts = []
    precisions: tuple[Wanted, ...] = ("float32", "bfloat16", "int8-bfloat16", "int8")
    for precision in precisions:
        cache = EmbeddingCache(tmp_path / "embeddings", max_bytes=2**30)
        models = load_models(
            sam=str(tmp_path / "sam"),
            cache_dir=tmp_path / "cache",
            device="cpu",
            threads=0,
            cache=cache,
            precision=precision,
        )
        models.semantic.dense(image, models.sam.embed(image))
        counts.append((cache.counts["hit"], cache.counts["miss"]))

    assert counts == [(0, 2), (1, 1), (2, 0), (2, 0)]


def test_what_is_computed_with_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tiny_sam_model().save_pretrained(tmp_path / "sam")

    with caplog.at_level(logging.INFO, logger="backend.worker.models"):
        load_models(
            sam=str(tmp_path / "sam"),
            cache_dir=tmp_path,
            device="cpu",
            threads=0,
            semantics="sam",
            precision="float32",
        )

    assert caplog.messages == ["computing on cpu with float32"]


def test_numbers_that_the_device_lacks_are_an_error(tmp_path: Path) -> None:
    """Said before anything is fetched or computed."""
    with pytest.raises(UnusableDeviceError, match="ONESHOT_PRECISION=float16"):
        load_models(sam=str(tmp_path), cache_dir=tmp_path, device="cpu", threads=0, precision="float16")


def test_a_device_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Said before anything is fetched or computed."""
    with pytest.raises(UnusableDeviceError, match="cuda:9"):
        load_models(sam=str(tmp_path), cache_dir=tmp_path, device="cuda:9", threads=0)
