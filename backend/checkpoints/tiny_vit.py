"""TinyViT-5M as MobileSAM's image encoder, for images that need not be square.

The network is the published one; how it is computed is not. An image that is no square is the top left of
one, and the rest is padding, little of which is computed: far from the image all its cells are alike, so one
of them is taken through the layers, too, and stands for them all wherever a convolution or a window of
attention looks beyond what is computed.

Convolutions are computed strip by strip, so that what is between two of them stays in the processor's
caches; so is attention, one row of windows after the other, and so are the perceptrons. Tokens that only
fill up a window of attention are not sent through linear layers: what these say about a token of zeros is
the same for all.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from backend.checkpoints.fused import attention, convolution, linear, perceptron

STRIDE = 16  # pixels along a side of a cell
CHANNELS = 256
WIDTHS = (64, 128, 160, 320)
DEPTHS = (2, 2, 6, 2)
HEADS = (0, 4, 5, 10)  # the first stage is convolutions only
WINDOWS = (0, 7, 14, 7)
STEPS = (2, 2, 1)  # of the reductions between the stages
EXPANSION = 4
STRIP_VALUES = 2**20  # in the widest map of a strip, with a CPU: about what its caches hold

Surrounded = tuple[Tensor, Tensor]
"""Features of a square's top left, (n, C, h, w), cell by cell in memory, and of a cell of the
rest, (1, C, 1, 1)."""

Around = tuple[Tensor, Tensor]
"""Queries, keys and values of a token of zeros, (3C,), and of one beyond the image, (1, 1, 1, 3C)."""


class TinyViT(nn.Module):
    """Pixels to SAM's features, of a batch of images of one size."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(WIDTHS[0])
        self.layers = nn.ModuleList(Stage(index) for index in range(len(WIDTHS)))
        self.neck = nn.Sequential(
            nn.Conv2d(WIDTHS[-1], CHANNELS, 1, bias=False),
            ChannelNorm(CHANNELS),
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False),
            ChannelNorm(CHANNELS),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Features, (n, 256, h / 16, w / 16), of the pixels' dtype.

        Args:
            pixels: normalised as SAM's, (n, 3, h, w) float; sides that 16 divides. What a square of the
                longer side has besides is zeros.
        """
        features, beyond = self.patch_embed(pixels.contiguous(memory_format=torch.channels_last))
        for layer in self.layers:
            features, beyond = layer(features, beyond)
        within = self.neck[:2]
        seen = extended(within(features), within(beyond), *rest(*features.shape[2:]))
        result: Tensor = self.neck[2:](seen)
        return result[..., : features.shape[2], : features.shape[3]]


class Stage(nn.Module):
    """Blocks at one resolution, and the reduction to the next."""

    def __init__(self, index: int) -> None:
        super().__init__()
        width, heads, window = WIDTHS[index], HEADS[index], WINDOWS[index]
        blocks = (
            Block(width, heads, window) if heads else InvertedBottleneck(width) for _ in range(DEPTHS[index])
        )
        self.blocks = nn.Sequential(*blocks)
        last = index == len(STEPS)
        self.downsample = None if last else Reduction(width, WIDTHS[index + 1], STEPS[index])

    def forward(self, features: Tensor, beyond: Tensor) -> Surrounded:
        """Features of the next stage, and what lies beyond them."""
        for block in self.blocks:
            features, beyond = block(features, beyond)
        if self.downsample is None:
            return features, beyond
        result: Surrounded = self.downsample(features, beyond)
        return result


class Convolution(nn.Module):
    """A convolution with the normalisation after it in its weights, and GELU where it is asked for."""

    def __init__(self, inputs: int, outputs: int, side: int, *, step: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(inputs, outputs, side, stride=step, padding=side // 2, groups=groups)

    def forward(
        self, features: Tensor, *, gelu: bool = False, padding: tuple[int, int] | None = None
    ) -> Tensor:
        """The features convolved, with *padding* around them, or as much as keeps their size."""
        return convolution(features, self.c, gelu=gelu, padding=padding)


class PatchEmbed(nn.Module):
    """Pixels to a quarter of their resolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = Convolution(3, width // 2, 3, step=2), Convolution(width // 2, width, 3, step=2)
        self.seq = nn.Sequential(first, nn.Identity(), second)

    def forward(self, pixels: Tensor) -> Surrounded:
        """Features of pixels, (n, 3, h, w), strip by strip, and those of padding: pixels of zeros."""
        height = pixels.shape[2] // 4
        rows = max(1, STRIP_VALUES // (8 * pixels.shape[3])) if pixels.device.type == "cpu" else height
        features = torch.cat([self.strip(pixels, *piece) for piece in ranges(height, rows)], dim=2)
        hidden = self.seq[0](pixels.new_zeros(1, 3, 3, 3), gelu=True, padding=(0, 0))
        return features, self.seq[2](everywhere(hidden), padding=(0, 0))

    def strip(self, pixels: Tensor, top: int, bottom: int) -> Tensor:
        """The rows from *top* to *bottom*: each sees a row of the layer before above it, and none below."""
        padding = (0 if top else 1, 1)  # zeros below, where there are any, are beyond the last step of 2
        hidden = self.seq[0](pixels[:, :, max(0, 4 * top - 3) : 4 * bottom], gelu=True, padding=padding)
        result: Tensor = self.seq[2](hidden, padding=padding)
        return result


def everywhere(cell: Tensor) -> Tensor:
    """What a convolution sees among cells that are all alike, (1, C, 3, 3)."""
    return cell.expand(-1, -1, 3, 3).contiguous(memory_format=torch.channels_last)


def rest(height: int, width: int) -> tuple[int, int]:
    """How many rows and columns a square has besides these."""
    return max(0, width - height), max(0, height - width)


def extended(features: Tensor, beyond: Tensor, rows: int, columns: int) -> Tensor:
    """The features with up to one row below and one column on the right of what lies beyond them."""
    rows, columns = min(rows, 1), min(columns, 1)
    if not rows and not columns:
        return features
    result = F.pad(features, (0, columns, 0, rows))
    result[:, :, features.shape[2] :], result[..., features.shape[3] :] = beyond, beyond
    return result


class Bottleneck(nn.Module):
    """One cell at a time, three by three within a channel, one cell at a time: computed strip by strip."""

    def __init__(self, inputs: int, hidden: int, outputs: int, step: int) -> None:
        super().__init__()
        self.conv1 = Convolution(inputs, hidden, 1)
        self.conv2 = Convolution(hidden, hidden, 3, step=step, groups=hidden)
        self.conv3 = Convolution(hidden, outputs, 1)

    def forward(self, features: Tensor, beyond: Tensor) -> Surrounded:
        """The features, strip by strip, and what lies beyond them."""
        width = self.conv1.c.out_channels * features.shape[3]
        rows = max(8, STRIP_VALUES // width) if features.device.type == "cpu" else features.shape[2]
        outside = self.conv1(beyond, gelu=True)
        strips = [self.strip(features, outside, *piece) for piece in ranges(features.shape[2], rows)]
        hidden = self.conv2(everywhere(outside), gelu=True, padding=(0, 0))
        return torch.cat(strips, dim=2), self.finished(hidden, beyond)

    def strip(self, features: Tensor, outside: Tensor, top: int, bottom: int) -> Tensor:
        """What becomes of the rows from *top* to *bottom*, both even where rows are halved."""
        height, width = features.shape[2:]
        above, below = min(top, 1), min(height - bottom, 1)
        hidden = self.conv1(features[:, :, top - above : bottom + below], gelu=True)
        rows, columns = rest(height, width)
        hidden = extended(hidden, outside, 0 if below else rows, columns)
        nothing = 0 if below or rows else 1
        if not above or nothing:
            hidden = F.pad(hidden, (0, 0, 1 - above, nothing))
        hidden = self.conv2(hidden, gelu=True, padding=(0, 1))
        hidden = hidden[..., : -(-width // self.conv2.c.stride[0])]
        return self.finished(hidden, features[:, :, top:bottom])

    def finished(self, hidden: Tensor, features: Tensor) -> Tensor:
        """The last steps of a strip, which see what went in, too."""
        raise NotImplementedError


class InvertedBottleneck(Bottleneck):
    """A block of the first stage."""

    def __init__(self, width: int) -> None:
        super().__init__(width, EXPANSION * width, width, 1)

    def finished(self, hidden: Tensor, features: Tensor) -> Tensor:
        """The sum with what went in, through GELU."""
        return F.gelu(convolution(hidden, self.conv3.c, added=features))


class Reduction(Bottleneck):
    """From one stage to the next: other channels and, with a step of 2, half the resolution."""

    def __init__(self, inputs: int, outputs: int, step: int) -> None:
        super().__init__(inputs, outputs, outputs, step)

    def finished(self, hidden: Tensor, features: Tensor) -> Tensor:  # noqa: ARG002 - it is no residual
        """Nothing but the last convolution."""
        result: Tensor = self.conv3(hidden)
        return result


class Block(nn.Module):
    """Attention within windows, a convolution within channels, and a perceptron."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.attn = WindowAttention(width, heads, window)
        self.local_conv = Convolution(width, width, 3, groups=width)
        self.mlp = Perceptron(width)

    def forward(self, features: Tensor, beyond: Tensor) -> Surrounded:
        """The features after all three, and what lies beyond them."""
        tokens = features.permute(0, 2, 3, 1)  # (n, h, w, C): what lies side by side in memory
        height, width = tokens.shape[1:3]
        rows = self.attn.window if tokens.device.type == "cpu" else height
        outside, more = beyond.permute(0, 2, 3, 1), rest(height, width)
        around = self.attn.around(outside)
        strips = [self.attn(tokens[:, top : top + rows], around, more) for top in range(0, height, rows)]
        seen = torch.cat(strips, dim=1).permute(0, 3, 1, 2)
        beyond = self.attn.alone(outside, around).permute(0, 3, 1, 2)
        seen = self.local_conv(extended(seen, beyond, *more))[..., :height, :width]
        beyond = self.local_conv(everywhere(beyond), padding=(0, 0))
        return self._mixed(seen), self._mixed(beyond)

    def _mixed(self, features: Tensor) -> Tensor:
        """The perceptron's."""
        result: Tensor = self.mlp(features.permute(0, 2, 3, 1))
        return result.permute(0, 3, 1, 2)


class WindowAttention(nn.Module):
    """Attention among the tokens of each square window, with a learnt bias for their places."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(heads, window**2, window**2))

    def forward(self, tokens: Tensor, around: Around, more: tuple[int, int]) -> Tensor:
        """The tokens and what each has seen.

        Args:
            tokens: (n, h, w, C) float.
            around: what ``around`` says.
            more: rows and columns of what lies beyond, which follow below and on the right.
        """
        count, height, width, channels = tokens.shape
        side = self.window
        rows, columns = -(-height // side), -(-width // side)
        padded = self._padded(tokens, around, more, (rows * side, columns * side))
        windows = padded.view(count, rows, side, columns, side, self.heads, 3, channels // self.heads)
        windows = windows.permute(6, 0, 1, 3, 5, 2, 4, 7)  # (3, n, rows, columns, heads, side, side, d)
        query, key, value = windows.reshape(3, -1, self.heads, side**2, channels // self.heads)
        asking = min(height, side)  # rows of a window: the last ones of a single row of windows may be empty
        query, bias = query[:, :, : asking * side], self.bias[:, : asking * side]
        seen = attention(query, key, value, bias).view(count, rows, columns, self.heads, asking, side, -1)
        seen = seen.permute(0, 1, 4, 2, 5, 3, 6).reshape(count, rows * asking, columns * side, channels)
        return linear(seen[:, :height, :width].contiguous(), self.proj, added=tokens)

    def around(self, beyond: Tensor) -> Around:
        """What fills up windows, where *beyond* is a token of what lies beyond, (1, 1, 1, C) float."""
        return linear(self.norm.bias, self.qkv), linear(self.norm(beyond), self.qkv)

    def alone(self, token: Tensor, around: Around) -> Tensor:
        """What becomes of a token, (1, 1, 1, C), among others like it: all have the same to say."""
        value = around[1].view(1, 1, 1, self.heads, 3, -1)[..., 2, :]
        return linear(value.reshape(token.shape), self.proj, added=token)

    def _padded(
        self, tokens: Tensor, around: Around, more: tuple[int, int], size_hw: tuple[int, int]
    ) -> Tensor:
        """Queries, keys and values, filled up to whole windows.

        First with *more* rows and columns of what lies beyond; past these with what becomes of a token of
        zeros.
        """
        qkv = linear(self.norm(tokens), self.qkv)
        count, height, width, channels = qkv.shape
        if (height, width) == size_hw:
            return qkv
        (nothing, outside), (rows, columns) = around, more
        result = qkv.new_empty(count, *size_hw, channels)
        result[:, :height, :width] = qkv
        result[:, height:], result[:, :height, width:] = nothing, nothing
        result[:, height : height + rows, : width + columns] = outside
        result[:, :height, width : width + columns] = outside
        return result


class Perceptron(nn.Module):
    """Two linear layers, each token for itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, EXPANSION * width)
        self.fc2 = nn.Linear(EXPANSION * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """The tokens, (n, h, w, C), and what the layers say about them, some at a time on a CPU."""
        if tokens.device.type != "cpu":
            return self.strip(tokens)
        size = max(1, STRIP_VALUES // (EXPANSION * tokens.shape[-1]))
        single = tokens.reshape(-1, tokens.shape[-1])
        strips = [self.strip(some) for some in torch.split(single, size)]
        return torch.cat(strips).view(tokens.shape)

    def strip(self, tokens: Tensor) -> Tensor:
        """The same for some tokens, (..., C)."""
        return perceptron(self.norm(tokens), self.fc1, self.fc2, added=tokens)


class ChannelNorm(nn.Module):
    """Normalise the channels of each cell."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """The features, normalised, scaled and shifted."""
        cells = features.permute(0, 2, 3, 1)
        normed = F.layer_norm(cells, cells.shape[-1:], self.weight, self.bias, eps=1e-6)
        return normed.permute(0, 3, 1, 2)


def ranges(length: int, step: int) -> Iterator[tuple[int, int]]:
    """Cut 0..length into pieces of *step*, an even number: the start and the end of each."""
    step += step % 2
    for start in range(0, length, step):
        yield start, min(start + step, length)
