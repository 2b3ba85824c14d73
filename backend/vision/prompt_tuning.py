"""Prompt tuning: what the mask decoder must be told besides a point to draw the things that people drew.

Where SAM does not know a kind of thing (cells in a stained tissue, spheres that one looks through), a point
inside one brings out something else. A single vector, added to every cell of the embedding as SAM adds "there
is no mask prompt", is found by gradient descent on things of corrected images; no weight of SAM is changed.
Another one may do the same where what was found is drawn once more, by its own box and logits.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from backend.vision.instance import mask_window
from backend.vision.location_prior import POSITIVE
from backend.vision.refine import box_xyxy
from backend.vision.sam import ImageEmbedding, MaskLogits, Sam

RATE = 0.01  # of Adam
STEPS = 16
TOGETHER = 8  # things a step
DEEP = 0.5  # of a thing's greatest depth: a search's point lies there, at least
BESIDE = 12  # low-resolution pixels around thing and mask that the loss looks at


class Example(Protocol):
    """One thing that a person drew, and what SAM is asked for it.

    Attributes:
        embedding: of the view that shows it.
        mask: of the thing, over the padded square, (4h, 4w) bool, not empty.
    """

    @property
    def embedding(self) -> ImageEmbedding: ...  # noqa: D102

    @property
    def mask(self) -> Tensor: ...  # noqa: D102

    def asked(self, sam: Sam, turn: int, shift: Tensor) -> MaskLogits:
        """The answer with a tuned prompt (C,), when it is the example's turn for that time."""


@dataclass(frozen=True, eq=False)
class Pointed:
    """A thing that SAM is asked for by a point inside. Attributes as in ``Example``.

    Attributes:
        points_xy: inside it, in pixels of the view, (p, 2) float: the innermost, then others.
    """

    embedding: ImageEmbedding
    mask: Tensor
    points_xy: Tensor

    def asked(self, sam: Sam, turn: int, shift: Tensor) -> MaskLogits:
        """SAM's three masks at one of the points."""
        point_xy = self.points_xy[turn % len(self.points_xy)]
        return sam.decode(
            self.embedding, points_xy=point_xy[None, None], labels=torch.tensor([[POSITIVE]]), shift=shift
        )


@dataclass(frozen=True, eq=False)
class Outlined:
    """A thing that was found, and is to be drawn once more. Attributes as in ``Example``.

    Attributes:
        logits: as it was found, (4h, 4w) float, somewhere above 0.
    """

    embedding: ImageEmbedding
    mask: Tensor
    logits: Tensor

    def asked(self, sam: Sam, turn: int, shift: Tensor) -> MaskLogits:  # noqa: ARG002 - each is the same
        """SAM's single mask."""
        box = box_xyxy(self.logits > 0, self.embedding)
        assert box is not None  # noqa: S101 - it is not empty
        return sam.decode(
            self.embedding,
            boxes_xyxy=box[None],
            mask_logits=self.logits[None],
            multimask=False,
            shift=shift,
        )


def pointed(
    embedding: ImageEmbedding, pixels: NDArray[np.bool_], mask: Tensor, *, points: int = 4
) -> Pointed:
    """Find points inside a thing; the same for the same thing.

    Args:
        embedding: of the view.
        pixels: of the thing in the view, (H, W) bool, not empty.
        mask: the same over the padded square, (4h, 4w) bool, not empty.
        points: how many.
    """
    from scipy.ndimage import distance_transform_edt  # large: only where something is to be learned

    window = mask_window(pixels)
    depth = distance_transform_edt(np.pad(window.pixels, 1))[1:-1, 1:-1]
    innermost = np.argwhere(depth == depth.max())[:1]
    deep = np.argwhere(depth >= DEEP * depth.max())
    others = deep[np.random.default_rng(len(deep)).integers(len(deep), size=points - 1)]
    rows_columns = np.concatenate([innermost, others]) + np.array([window.top, window.left])
    points_xy = torch.from_numpy(rows_columns[:, ::-1] + 0.5).float()
    return Pointed(embedding, mask, points_xy)


def tuned(sam: Sam, examples: Sequence[Example], *, step: Callable[[], object] = lambda: None) -> Tensor:
    """Find the prompt with which SAM draws these things. The same examples give the same prompt.

    Args:
        sam: the model.
        examples: at least one.
        step: called before each step: the work goes on.

    Returns:
        What is added to every cell of an embedding, (C,) float.
    """
    shift = torch.zeros(sam.channels, device=examples[0].embedding.features.device, requires_grad=True)
    optimizer = torch.optim.Adam([shift], lr=RATE)
    for chosen in batches(len(examples)):
        step()
        slopes = [slope(sam, examples[number], turn, shift) for number, turn in chosen]
        shift.grad = torch.stack(slopes).mean(dim=0)
        optimizer.step()
    return shift.detach()


def batches(count: int) -> Iterator[list[tuple[int, int]]]:
    """Numbers of the examples of each step, and how often each has had its turn before."""
    shuffle = np.random.default_rng(0)
    rounds = -(-STEPS * TOGETHER // count)
    turns = [(number, turn) for turn in range(rounds) for number in shuffle.permutation(count).tolist()]
    for first in range(0, STEPS * TOGETHER, TOGETHER):
        yield turns[first : first + TOGETHER]


def slope(sam: Sam, shown: Example, turn: int, shift: Tensor) -> Tensor:
    """Gradient of the loss on one thing, (C,) float."""
    (found,) = torch.autograd.grad(loss(shown.asked(sam, turn, shift), shown.mask), shift)
    return found


def loss(answer: MaskLogits, mask: Tensor) -> Tensor:
    """How far an answer to one prompt is from a mask, as SAM was trained: one of its masks should be right.

    Its estimates of the IoU are left alone: the weights of the evidence know how sure SAM is of itself.

    Args:
        answer: logits (1, m, 4h, 4w).
        mask: (4h, 4w) bool.

    Returns:
        Cross-entropy near the thing plus dice, of the best mask, ().
    """
    logits, true = answer.logits[0], mask.float().expand_as(answer.logits[0])
    drawn = logits.detach() > 0
    near = F.max_pool2d((drawn | mask).float()[None], 2 * BESIDE + 1, stride=1, padding=BESIDE)[0]
    chance = torch.sigmoid(logits)
    entropy = F.binary_cross_entropy_with_logits(logits, true, reduction="none") * near
    both = (chance * true).sum(dim=(1, 2))
    dice = 1 - 2 * both / (chance.sum(dim=(1, 2)) + true.sum(dim=(1, 2)))
    outlines = entropy.sum(dim=(1, 2)) / near.sum(dim=(1, 2)) + dice
    return outlines.min()
