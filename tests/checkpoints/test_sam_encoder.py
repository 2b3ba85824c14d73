"""A transformers SAM's image encoder with fewer bits: nearly the same features, in float32."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from backend.checkpoints.sam_encoder import SamEncoder
from backend.checkpoints.sam_families import EDGETAM, SAM, SAM2, SAM_HQ, Family
from tests import tiny_sam, tiny_sam_families

CPU = torch.device("cpu")


def features(encoded: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (encoded,) if isinstance(encoded, Tensor) else encoded


@pytest.mark.parametrize(
    ("make", "family", "side"),
    [
        (tiny_sam.tiny_sam_model, SAM, tiny_sam.INPUT_SIZE),
        (tiny_sam_families.tiny_sam_hq_model, SAM_HQ, tiny_sam_families.INPUT_SIZE),
        (tiny_sam_families.tiny_sam2_model, SAM2, tiny_sam_families.INPUT_SIZE),
        (tiny_sam_families.tiny_edgetam_model, EDGETAM, tiny_sam_families.INPUT_SIZE),
    ],
    ids=lambda value: value.title if isinstance(value, Family) else None,
)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_with_fewer_bits_it_says_nearly_the_same(
    make: Callable[[], PreTrainedModel], family: Family, side: int, dtype: torch.dtype
) -> None:
    """What else the mask decoder needs, too; two images at once are those one by one."""
    pixels = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    plain, short = SamEncoder(make(), family, CPU), SamEncoder(make(), family, CPU, dtype)

    exact, found = features(plain(pixels)), features(short(pixels))

    assert (plain.numerics, short.numerics) == ("", f"torch {dtype}")
    assert [one.dtype for one in found] == [torch.float32] * len(exact)
    for one, other in zip(exact, found, strict=True):
        assert one.shape == other.shape
        assert torch.cosine_similarity(one.flatten(1), other.flatten(1)).min() > 0.99
    alone = features(plain(pixels[1:]))
    assert all(torch.allclose(a[0], b[1], atol=1e-4) for a, b in zip(alone, exact, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_it_says_the_same(dtype: torch.dtype) -> None:
    """By the compiler that only follows the code, which needs no tools; features have another name."""
    pixels = torch.randn(1, 3, tiny_sam.INPUT_SIZE, tiny_sam.INPUT_SIZE)
    plain = SamEncoder(tiny_sam.tiny_sam_model(), SAM, CPU, dtype)
    compiled = SamEncoder(tiny_sam.tiny_sam_model(), SAM, CPU, dtype)

    compiled.compile(only_if_faster=False, compiler="eager")

    torch.testing.assert_close(compiled(pixels), plain(pixels))
    assert compiled.numerics == f"torch {dtype} compiled"


@pytest.mark.parametrize(("compiled_s", "name"), [(8.0, "torch torch.float32 compiled"), (9.5, "")])
def test_tried_it_stays_compiled_if_that_is_faster(compiled_s: float, name: str) -> None:
    """Against 10 s. Else its features keep their name, and those that were kept under it."""
    encoder = SamEncoder(tiny_sam.tiny_sam_model(), SAM, CPU)
    took = iter([10.0, compiled_s])

    encoder.compile(only_if_faster=True, seconds=lambda _: next(took), compiler="eager")

    assert encoder.numerics == name
