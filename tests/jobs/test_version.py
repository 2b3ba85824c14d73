"""The names of generations."""

import pytest

from backend.jobs.version import checkpoint_slug, model_version


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("mobilesam", "mobilesam"),
        ("facebook/sam-vit-base", "sam-vit-base"),
        ("Zigeng/SlimSAM-uniform-50", "slimsam-uniform-50"),
        ("/models/my sam/", "my-sam"),
        ("./Tiny_SAM.v2", "tiny-sam.v2"),
        ("/", "sam"),
        ("x" * 100, "x" * 48),
    ],
)
def test_a_checkpoint_is_called_by_the_last_part_of_its_name(name: str, slug: str) -> None:
    assert checkpoint_slug(name) == slug


def test_a_generation_is_named_after_checkpoint_and_digest() -> None:
    assert model_version("mobilesam", "0a1b2c") == "oneshot-mobilesam-0a1b2c"


def test_without_a_reference_there_is_a_version_all_the_same() -> None:
    """Label Studio answers 400 to its user when the version is null."""
    assert model_version("mobilesam") == "oneshot-mobilesam-noref"
