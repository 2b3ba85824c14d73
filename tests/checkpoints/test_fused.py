"""One step or two, the result is the same."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from backend.checkpoints import fused
from backend.checkpoints.fused import attention, convolution, fusable, linear


@pytest.fixture(params=[True, False], ids=["joined", "in two steps"], autouse=True)
def _joined(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(fused, "_NEEDED", ("_not_in_this_torch",))
    assert fusable(torch.zeros(1)) is request.param


@pytest.mark.parametrize("gelu", [True, False], ids=["gelu", "plain"])
@pytest.mark.parametrize("padding", [None, (0, 1)], ids=["own padding", "columns only"])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@torch.no_grad()
def test_a_convolution_is_torchs_own(
    gelu: bool, padding: tuple[int, int] | None, memory_format: torch.memory_format
) -> None:
    layer = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2)
    features = torch.randn(2, 4, 7, 10).contiguous(memory_format=memory_format)

    expected = F.conv2d(features, layer.weight, layer.bias, 2, padding or 1, 1, 2)

    expected = F.gelu(expected) if gelu else expected
    torch.testing.assert_close(convolution(features, layer, gelu=gelu, padding=padding), expected)


@pytest.mark.parametrize("gelu", [True, False], ids=["gelu", "plain"])
@torch.no_grad()
def test_a_linear_layer_is_torchs_own(gelu: bool) -> None:
    layer, features = nn.Linear(4, 8), torch.randn(2, 3, 5, 4)

    expected = F.gelu(layer(features)) if gelu else layer(features)

    torch.testing.assert_close(linear(features, layer, gelu=gelu), expected)


@torch.no_grad()
def test_a_sum_can_follow_a_layer() -> None:
    """Of what went in, say: the sum is the layer's result and it."""
    conv, layer = nn.Conv2d(4, 6, 1), nn.Linear(4, 6)
    features, cells = torch.randn(2, 4, 3, 5), torch.randn(2, 3, 5, 4)
    other_features, other_cells = torch.randn(2, 6, 3, 5), torch.randn(2, 3, 5, 6)

    sums = convolution(features, conv, added=other_features), linear(cells, layer, added=other_cells)

    torch.testing.assert_close(sums[0], conv(features) + other_features)
    torch.testing.assert_close(sums[1], layer(cells) + other_cells)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shift", [0, 200, -200], ids=["usual scores", "large ones", "small ones"])
@torch.no_grad()
def test_attention_is_torchs_own(dtype: torch.dtype, shift: float) -> None:
    """However far all scores are from zero: the same number added to all of a row changes nothing."""
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 5, 2, 7, 8).to(dtype)
    bias = torch.randn(2, 7, 7).to(dtype)

    seen = attention(query, key, value, (bias + shift).to(dtype))

    expected = F.scaled_dot_product_attention(
        query.float(), key.float(), value.float(), attn_mask=(bias + shift).to(dtype).float()
    )
    assert seen.dtype == dtype
    torch.testing.assert_close(seen.float(), expected, rtol=0, atol=1e-5 if dtype is torch.float32 else 0.03)
