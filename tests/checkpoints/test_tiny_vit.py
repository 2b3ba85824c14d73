"""How TinyViT is computed changes nothing about what it computes."""

from collections.abc import Callable
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from backend.checkpoints import tiny_vit
from backend.checkpoints.tiny_vit import (
    Block,
    InvertedBottleneck,
    PatchEmbed,
    Perceptron,
    Reduction,
    TinyViT,
    WindowAttention,
    ranges,
)

Network = TypeVar("Network", bound=nn.Module)
Make = Callable[[], tiny_vit.Bottleneck]


def random_weights(network: Network) -> Network:
    """Weights and biases that all matter."""
    torch.manual_seed(0)
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.2)
    return network.eval().requires_grad_(requires_grad=False)


@pytest.mark.parametrize(
    "make", [lambda: InvertedBottleneck(4), lambda: Reduction(4, 6, 2), lambda: Reduction(4, 6, 1)]
)
@pytest.mark.parametrize("height", [8, 12, 20, 22])
def test_strips_make_the_same_as_the_whole(make: Make, height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each convolution sees the rows beyond its strip, and zeros beyond a square."""
    block, features = random_weights(make()), torch.randn(2, 4, height, height)
    hidden = F.gelu(block.conv2.c(F.gelu(block.conv1.c(features))))
    whole = block.finished(hidden, features)

    monkeypatch.setattr(tiny_vit, "STRIP_VALUES", 1)

    torch.testing.assert_close(block(features, torch.randn(1, 4, 1, 1))[0], whole)


@pytest.mark.parametrize("shown", [(8, 12), (12, 10)], ids=["wide", "high"])
@pytest.mark.parametrize(
    ("make", "step"),
    [(lambda: InvertedBottleneck(4), 1), (lambda: Reduction(4, 6, 2), 2), (lambda: Reduction(4, 6, 1), 1)],
)
def test_convolutions_see_what_lies_beyond_as_if_it_were_there(
    make: Make, step: int, shown: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of a square is the same cell everywhere; deep in it so is what becomes of it."""
    monkeypatch.setattr(tiny_vit, "STRIP_VALUES", 1)
    block, beyond = random_weights(make()), torch.randn(1, 4, 1, 1)
    square, (height, width) = beyond.expand(2, 4, 12, 12).clone(), shown
    square[:, :, :height, :width] = torch.randn(2, 4, height, width)
    whole, _ = block(square, beyond)

    seen, rest = block(square[:, :, :height, :width], beyond)

    torch.testing.assert_close(seen, whole[:, :, : height // step, : width // step])
    middle = block(beyond.expand(1, 4, 12, 12), beyond)[0][:, :, 3, 3]
    torch.testing.assert_close(rest[..., 0, 0], middle)


@pytest.mark.parametrize("height", [4, 16, 28])
def test_pixels_in_strips_make_the_same_as_the_whole(height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps of two: a strip sees three rows of pixels above it, and none below or on the right."""
    embed, pixels = random_weights(PatchEmbed(8)), torch.randn(2, 3, height, 12)
    whole = embed.seq[2](embed.seq[0](pixels, gelu=True))

    monkeypatch.setattr(tiny_vit, "STRIP_VALUES", 1)

    torch.testing.assert_close(embed(pixels)[0], whole)


def test_padding_becomes_what_pixels_of_zeros_do() -> None:
    embed = random_weights(PatchEmbed(8))

    features, beyond = embed(torch.zeros(1, 3, 16, 16))

    torch.testing.assert_close(beyond[..., 0, 0], features[:, :, 2, 2])


@pytest.mark.parametrize("height", [3, 6, 7])
def test_rows_of_windows_are_computed_one_by_one(height: int) -> None:
    """No window sees another, and only the last row of them is filled up."""
    block, features = random_weights(Block(8, 2, 3)), torch.randn(2, 8, height, height)
    beyond = torch.randn(1, 8, 1, 1)
    around = block.attn.around(beyond.view(1, 1, 1, 8))
    tokens = block.attn(features.permute(0, 2, 3, 1), around, (0, 0)).permute(0, 3, 1, 2)
    tokens = block.local_conv.c(tokens).permute(0, 2, 3, 1)

    torch.testing.assert_close(block(features, beyond)[0], block.mlp(tokens).permute(0, 3, 1, 2))


@pytest.mark.parametrize("shown", [(6, 9), (9, 6)], ids=["wide", "high"])
def test_a_block_sees_what_lies_beyond_as_if_it_were_there(shown: tuple[int, int]) -> None:
    """Where the image ends with a window, what is left out could not have seen it."""
    block, beyond = random_weights(Block(8, 2, 3)), torch.randn(1, 8, 1, 1)
    square, (height, width) = beyond.expand(2, 8, 9, 9).clone(), shown
    square[:, :, :height, :width] = torch.randn(2, 8, height, width)
    whole, _ = block(square, beyond)

    seen, rest = block(square[:, :, :height, :width], beyond)

    torch.testing.assert_close(seen, whole[:, :, :height, :width])
    torch.testing.assert_close(rest[..., 0, 0], block(beyond.expand(1, 8, 9, 9), beyond)[0][:, :, 4, 4])


def test_a_perceptron_in_strips_makes_the_same_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each token for itself; the last strip has fewer."""
    perceptron, tokens = random_weights(Perceptron(4)), torch.randn(2, 3, 5, 4)
    whole = tokens + perceptron.fc2(F.gelu(perceptron.fc1(perceptron.norm(tokens))))

    monkeypatch.setattr(tiny_vit, "STRIP_VALUES", 16 * 7)

    torch.testing.assert_close(perceptron(tokens), whole)


@pytest.mark.parametrize("size_hw", [(3, 6), (4, 5), (7, 2)])
@pytest.mark.parametrize("more", [(0, 0), (1, 0), (0, 2)])
def test_attention_fills_windows_up_with_what_lies_beyond_and_tokens_of_zeros(
    size_hw: tuple[int, int], more: tuple[int, int]
) -> None:
    """Of zeros as the published code does, before the normalisation; here each is computed once."""
    attention, tokens = random_weights(WindowAttention(8, 2, 3)), torch.randn(2, *size_hw, 8)
    (height, width), beyond = size_hw, torch.randn(1, 1, 1, 8)
    around = attention.around(beyond)
    square = beyond.expand(2, height + more[0], width + more[1], 8).clone()
    square[:, :height, :width] = tokens
    filled = F.pad(square, (0, 0, 0, -square.shape[2] % 3, 0, -square.shape[1] % 3))

    expected = attention(filled, around, (0, 0))[:, :height, :width]

    torch.testing.assert_close(attention(tokens, around, more), expected)


def test_one_window_is_plain_attention() -> None:
    """Each head has its query, key and value side by side."""
    attention, tokens = random_weights(WindowAttention(8, 2, 2)), torch.randn(1, 2, 2, 8)

    parts = attention.qkv(attention.norm(tokens)).view(4, 2, 3, 4)
    heads = []
    for head in range(2):
        query, key, value = parts[:, head].unbind(1)
        heads.append((query @ key.T / 2 + attention.bias[head]).softmax(-1) @ value)
    expected = tokens + attention.proj(torch.cat(heads, dim=1)).view(1, 2, 2, 8)

    torch.testing.assert_close(attention(tokens, attention.around(tokens[:, :1, :1]), (0, 0)), expected)


@pytest.mark.parametrize("size_hw", [(48, 64), (16, 112)])
def test_an_image_need_not_be_square(size_hw: tuple[int, int]) -> None:
    network = random_weights(TinyViT())

    features: Tensor = network(torch.randn(1, 3, *size_hw))

    assert features.shape == (1, 256, size_hw[0] // 16, size_hw[1] // 16)


def test_strips_begin_at_even_rows() -> None:
    """Where rows are halved, an odd beginning would shift what comes after it."""
    assert list(ranges(10, 3)) == [(0, 4), (4, 8), (8, 10)]
