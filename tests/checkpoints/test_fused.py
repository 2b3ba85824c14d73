"""One step or two, the result is the same."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from backend.checkpoints import fused
from backend.checkpoints.fused import convolution, fusable, linear


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
