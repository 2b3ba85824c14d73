"""TinyViT-5M as MobileSAM's image encoder, for images that need not be square.

The network is the published one; how it is computed is not. Convolutions are computed strip by strip, so
that what is between two of them stays in the processor's caches; so is attention, one row of windows after
the other, and so are the perceptrons. Tokens that only fill up a window of attention are not sent through
linear layers: what these say about a token of zeros is the same for all.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from backend.checkpoints.fused import attention, convolution, linear

STRIDE = 16  # pixels along a side of a cell
CHANNELS = 256
WIDTHS = (64, 128, 160, 320)
DEPTHS = (2, 2, 6, 2)
HEADS = (0, 4, 5, 10)  # the first stage is convolutions only
WINDOWS = (0, 7, 14, 7)
STEPS = (2, 2, 1)  # of the reductions between the stages
EXPANSION = 4
STRIP_VALUES = 2**20  # in the widest map of a strip, with a CPU: about what its caches hold


class TinyViT(nn.Module):
    """Pixels to SAM's features.

    A batch of images of one size; what lies beyond an image is taken for nothing, not for black pixels.
    """

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
            pixels: normalised as SAM's, (n, 3, h, w) float; sides that 16 divides.
        """
        features = self.patch_embed(pixels.contiguous(memory_format=torch.channels_last))
        for layer in self.layers:
            features = layer(features)
        result: Tensor = self.neck(features)
        return result


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
        self.downsample = nn.Identity() if last else Reduction(width, WIDTHS[index + 1], STEPS[index])

    def forward(self, features: Tensor) -> Tensor:
        """Features of the next stage; all features are (n, C, h, w) and lie cell by cell in memory."""
        result: Tensor = self.downsample(self.blocks(features))
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

    def forward(self, pixels: Tensor) -> Tensor:
        """Features of pixels, (n, 3, h, w), strip by strip."""
        height = pixels.shape[2] // 4
        rows = max(1, STRIP_VALUES // (8 * pixels.shape[3])) if pixels.device.type == "cpu" else height
        return torch.cat([self.strip(pixels, *piece) for piece in ranges(height, rows)], dim=2)

    def strip(self, pixels: Tensor, top: int, bottom: int) -> Tensor:
        """The rows from *top* to *bottom*: each sees a row of the layer before above it, and none below."""
        seen = pixels[:, :, max(0, 4 * top - 3) : 4 * bottom]
        hidden = self.seq[0](seen if top else _below_zeros(seen), gelu=True, padding=(0, 1))
        hidden = hidden if top else _below_zeros(hidden)
        result: Tensor = self.seq[2](hidden, padding=(0, 1))
        return result


def _below_zeros(features: Tensor) -> Tensor:
    """The features below a row of zeros."""
    return F.pad(features, (0, 0, 1, 0))


class Bottleneck(nn.Module):
    """One cell at a time, three by three within a channel, one cell at a time: computed strip by strip."""

    def __init__(self, inputs: int, hidden: int, outputs: int, step: int) -> None:
        super().__init__()
        self.conv1 = Convolution(inputs, hidden, 1)
        self.conv2 = Convolution(hidden, hidden, 3, step=step, groups=hidden)
        self.conv3 = Convolution(hidden, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """The features, strip by strip."""
        width = self.conv1.c.out_channels * features.shape[3]
        rows = max(8, STRIP_VALUES // width) if features.device.type == "cpu" else features.shape[2]
        strips = [self.strip(features, top, bottom) for top, bottom in ranges(features.shape[2], rows)]
        return torch.cat(strips, dim=2)

    def strip(self, features: Tensor, top: int, bottom: int) -> Tensor:
        """What becomes of the rows from *top* to *bottom*, both even where rows are halved."""
        above, below = min(top, 1), min(features.shape[2] - bottom, 1)
        hidden = self.conv1(features[:, :, top - above : bottom + below], gelu=True)
        if not above or not below:
            hidden = F.pad(hidden, (0, 0, 1 - above, 1 - below))
        hidden = self.conv2(hidden, gelu=True, padding=(0, 1))
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

    def forward(self, features: Tensor) -> Tensor:
        """The features after all three."""
        tokens = features.permute(0, 2, 3, 1)  # (n, h, w, C): what lies side by side in memory
        height = tokens.shape[1]
        rows = self.attn.window if tokens.device.type == "cpu" else height
        strips = [self.attn(tokens[:, top : top + rows]) for top in range(0, height, rows)]
        tokens = torch.cat(strips, dim=1)
        tokens = self.local_conv(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        result: Tensor = self.mlp(tokens)
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

    def forward(self, tokens: Tensor) -> Tensor:
        """The tokens, (n, h, w, C), and what each has seen."""
        count, height, width, channels = tokens.shape
        side = self.window
        rows, columns = -(-height // side), -(-width // side)
        padded = self._padded(linear(self.norm(tokens), self.qkv), rows * side, columns * side)
        windows = padded.view(count, rows, side, columns, side, self.heads, 3, channels // self.heads)
        windows = windows.permute(6, 0, 1, 3, 5, 2, 4, 7)  # (3, n, rows, columns, heads, side, side, d)
        query, key, value = windows.reshape(3, -1, self.heads, side**2, channels // self.heads)
        seen = attention(query, key, value, self.bias)
        seen = seen.view(count, rows, columns, self.heads, side, side, -1).permute(0, 1, 4, 2, 5, 3, 6)
        seen = seen.reshape(count, rows * side, columns * side, channels)
        return linear(seen[:, :height, :width].contiguous(), self.proj, added=tokens)

    def _padded(self, qkv: Tensor, height: int, width: int) -> Tensor:
        """Filled up to whole windows with what becomes of a token of zeros."""
        count, own_height, own_width, channels = qkv.shape
        if (height, width) == (own_height, own_width):
            return qkv
        nothing = linear(self.norm.bias, self.qkv)
        result = qkv.new_empty(count, height, width, channels)
        result[:, :own_height, :own_width] = qkv
        result[:, own_height:] = nothing
        result[:, :own_height, own_width:] = nothing
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
        return linear(linear(self.norm(tokens), self.fc1, gelu=True), self.fc2, added=tokens)


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
