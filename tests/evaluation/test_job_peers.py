"""The peers of a whole job: what they encode with, and what they find."""

from pathlib import Path

import numpy as np
import pytest

from backend.evaluation.job_peers import peer_way, peer_ways, vit_base
from backend.evaluation.job_speed import job_images, job_reference
from backend.labelstudio.images import ImageLimits, decode_image
from backend.vision.pipeline import Models, SearchOptions
from backend.vision.reference import Reference
from tests.tiny_sam import tiny_sam, tiny_sam_model

SIZE_HW = (90, 120)


@pytest.fixture
def reference(models: Models) -> Reference:
    return job_reference(models, SearchOptions(), things=4, size_hw=SIZE_HW)


def test_an_encoder_that_says_nothing_is_timed_and_another_ones_answer_searched(reference: Reference) -> None:
    """What the encoder with other weights says would lead to other masks."""
    image = decode_image(job_images(1, things=4, size_hw=SIZE_HW)[0].data, limits=ImageLimits())
    model, published, own = tiny_sam_model(), tiny_sam(), tiny_sam(seed=1)
    borrowing = peer_way("borrowing", model, own, reference, 3, lender=published)
    plain = peer_way("plain", model, published, reference, 3)

    borrowed = borrowing.search(image, published.embed(image))

    assert borrowing.encoder.spent_ms > 0
    assert len(borrowed) > 0
    assert np.array_equal(borrowed, plain.search(image, None))
    assert not np.array_equal(borrowed, borrowing.search(image, None))


def test_the_loop_ends_where_it_is_told(reference: Reference) -> None:
    image = decode_image(job_images(1, things=4, size_hw=SIZE_HW)[0].data, limits=ImageLimits())
    sam = tiny_sam()

    found = [
        len(peer_way("peer", tiny_sam_model(), sam, reference, most).search(image, None)) for most in (1, 2)
    ]

    assert found == [1, 2]


def test_another_checkpoint_has_no_peers_and_none_is_fetched(reference: Reference, tmp_path: Path) -> None:
    sam = "facebook/sam-vit-base"

    assert peer_ways(sam, reference, at_most=3, cache_dir=tmp_path, device="cpu", threads=1) == []
    assert list(tmp_path.iterdir()) == []


def test_the_own_encoder_has_the_published_shape_and_weights_of_usual_size() -> None:
    """The 89,670,912 parameters of ViT-B; by numbers next to zero it would not be timed fairly."""
    encoder = vit_base().vision_encoder

    assert sum(one.numel() for one in encoder.parameters()) == 89_670_912
    assert float(encoder.layers[0].attn.qkv.weight.std()) == pytest.approx(0.02, rel=0.05)
