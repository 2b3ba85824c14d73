"""Edge regression: where people see the edge of a thing, learned from the outlines that they have corrected.

SAM draws an outline about right, and some pixels beside where people draw it: a ring outside or not, a halo
within or not. How the image looks there, against what is inside the outline and what is around it, tells on
which side each pixel near it belongs (a logistic regression, as pixel classification with interactive tools
has it, of a band along the outline alone). A few corrected outlines show few ways of being wrong, so each
thing also teaches with an outline that is a little too small, and with one that is a little too large.

What is half of a thing, or half as large again, no band mends. So of several outlines of a thing the one is
moved along which the pixels' sides are told most surely: along a wrong one there are many that look like
neither.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.drawing import near
from backend.vision.errors import LearnedError
from backend.vision.rim import FEATURES, MARGIN, MEANS, Mask, Pixels, Rim, rim_of

STARTS = (0.88, 1.14)  # of a thing's sides: outlines that it is learned from besides those that were found
PIXELS = 400  # of an outline that it is learned from: bounds time and memory with large things
UNSEEN = 3.0  # of L*a*b*, about what an eye tells apart: colours farther from those that were seen are others
RIDGE = 0.1
AS_DRAWN = 2.0  # how surely a pixel belongs where the outline has it, until something else is learned
ROUNDS = 10  # of Newton's method


@dataclass(frozen=True)
class EdgeRegression:
    """A linear function of how the image looks along an outline: above 0 is inside.

    Attributes:
        weights: one for each of ``FEATURES``, and a bias.
        least: of each of the mean colours, see ``Rim``, among the outlines that taught it.
        most: of each of them.
    """

    weights: tuple[float, ...]
    least: tuple[float, ...]
    most: tuple[float, ...]

    def __post_init__(self) -> None:
        expected = (FEATURES + 1, MEANS, MEANS)
        got = tuple(len(each) for each in (self.weights, self.least, self.most))
        if got != expected:
            raise LearnedError(f"edge regression: expected {expected} numbers, got {got}; learn anew")

    def knows(self, rim: Rim) -> bool:
        """Whether a thing has colours that were seen, within and around: of others it says nothing."""
        least, most = np.array(self.least) - UNSEEN, np.array(self.most) + UNSEEN
        return bool(((rim.means >= least) & (rim.means <= most)).all())

    def told(self, rim: Rim) -> "Told | None":
        """Where the thing is, told by a rim of such colours as were seen; None of others, or if nowhere."""
        if not self.knows(rim):
            return None
        each = rim.features @ self.weights[:-1] + self.weights[-1]
        sure = np.where(rim.inside, 1.0, -1.0)
        sure[rim.band] = each.clip(-1, 1)
        if not (sure > 0).any():
            return None
        return Told(rim, sure, float(-np.logaddexp(0, -np.abs(each)).mean()))

    def surest(self, outlines: Iterable[Mask], colours: Pixels) -> "Told | None":
        """Move an outline of a thing to where people see the edge: the one of which that is told most surely.

        Args:
            outlines: the one that was found, and others of the same thing, (n, m) bool each; the others are
                not asked for where nothing is told of the first.
            colours: see ``colours_of``, (n, m, 3).

        Returns:
            The outline, moved; None where nothing would be left of the one that was found, where there is
            nothing beside it to compare with, or where nothing of such colours was seen.
        """
        told = (self._told_of(outline, colours) for outline in outlines)
        found = next(told)
        if found is None:
            return None
        return max([found, *(one for one in told if one is not None)], key=lambda one: one.certainty)

    def _told_of(self, outline: Mask, colours: Pixels) -> "Told | None":
        rim = rim_of(outline, colours)
        return None if rim is None else self.told(rim)

    def drawn(self, logits: Tensor, others: Callable[[Tensor], Tensor], colours: Pixels) -> Tensor:
        """Draw a thing with the surest of its outlines.

        Args:
            logits: low-resolution logits over the padded square, (4h, 4w) float.
            others: gives other outlines of the thing, (n, 4h, 4w) bool; called only where its colours are
                known, for it takes longer than all the rest.
            colours: see ``colours_of``.

        Returns:
            Logits with another outline, (4h, 4w) float; as before where ``surest`` has none.
        """
        rows, columns = colours.shape[:2]

        def outlines() -> Iterator[Mask]:
            yield (logits > 0)[:rows, :columns].cpu().numpy()
            yield from others(logits)[:, :rows, :columns].cpu().numpy()

        best = self.surest(outlines(), colours)
        if best is None:
            return logits
        result = torch.full_like(logits, -1.0)
        result[:rows, :columns] = torch.from_numpy(best.over((rows, columns))).to(logits)
        return result


@dataclass(frozen=True, eq=False)
class Told:
    """Where a thing is, told by the rim of an outline of it.

    Attributes:
        rim: that.
        sure: how surely each pixel of the window is inside, from -1 to 1, (n, m).
        certainty: mean logarithm of how likely the pixels along the outline are where they are told to be.
    """

    rim: Rim
    sure: Pixels
    certainty: float

    def over(self, size_hw: tuple[int, ...]) -> Pixels:
        """How surely each pixel of all that the rim was cut from is inside; beyond its window none is."""
        everywhere = np.full(size_hw, -1.0)
        everywhere[self.rim.rows, self.rim.columns] = self.sure
        return everywhere


@dataclass(frozen=True, eq=False)
class Sample:
    """Some pixels along an outline of a thing.

    Attributes:
        features: see ``Rim``, (k, FEATURES) float32.
        true: whether each is a part of the thing, (k,) bool.
        means: see ``Rim``.
    """

    features: NDArray[np.float32]
    true: Mask
    means: Pixels


@dataclass(frozen=True, eq=False)
class Corrected:
    """Outlines of a thing with what a person has marked there, in a window around them.

    Attributes:
        outlines: the one that was found, then others, (n, m) bool each.
        colours: see ``colours_of``, (n, m, 3) float32.
        true: the thing, (n, m) bool.
        area: pixels of the thing, within the window and beyond.
        samples: what it is learned from, see ``STARTS``.
    """

    outlines: tuple[Mask, ...]
    colours: Pixels
    true: Mask
    area: int
    samples: tuple[Sample, ...]

    def iou(self, regression: EdgeRegression | None = None) -> float:
        """IoU of the outline with the thing: as it was found, or as *regression* has it."""
        best = None if regression is None else regression.surest(self.outlines, self.colours)
        inside = self.outlines[0] if best is None else best.over(self.true.shape) > 0
        both = int((inside & self.true).sum())
        return both / (self.area + int(inside.sum()) - both)

    def known(self, regression: EdgeRegression) -> bool:
        """Whether *regression* has seen the colours of the outline that was found."""
        rim = rim_of(self.outlines[0], self.colours)
        return rim is not None and regression.knows(rim)


def corrected(outlines: Sequence[Mask], true: Mask, colours: Pixels) -> Corrected | None:
    """Compare outlines of a thing with what a person has marked.

    Args:
        outlines: the one that was found, then others, at low resolution, over the padded square, (4h, 4w)
            bool.
        true: the thing, likewise.
        colours: see ``colours_of``.

    Returns:
        That, or None where ``rim_of`` has none of the one that was found.
    """
    height, width = colours.shape[:2]
    shown, *drawn = (one[:height, :width] for one in (true, *outlines))
    rim = rim_of(drawn[0], colours)
    if rim is None:
        return None
    started = [rim_of(_scaled(shown, by), colours) for by in STARTS]
    reached = torch.from_numpy(np.logical_or.reduce(drawn))
    rows, columns = (near(reached, dim=dim, margin=MARGIN) for dim in (1, 0))
    return Corrected(
        outlines=tuple(one[rows, columns].copy() for one in drawn),
        colours=colours[rows, columns].astype(np.float32),
        true=shown[rows, columns].copy(),
        area=int(true.sum()),
        samples=tuple(_sample(one, shown) for one in (rim, *started) if one is not None),
    )


def _sample(rim: Rim, true: Mask) -> Sample:
    """Some pixels of a rim, evenly chosen, with the thing, (rows, columns) bool."""
    mine = true[rim.rows, rim.columns][rim.band]
    step = max(1, -(-len(mine) // PIXELS))
    return Sample(rim.features[::step].copy(), mine[::step], rim.means)


def _scaled(mask: Mask, by: float) -> Mask:
    """A mask that is as much larger about its middle; where that is, all that there is of it."""
    from scipy.ndimage import affine_transform

    places = mask.nonzero()
    if not len(places[0]):
        return mask
    middle = np.array([place.mean() for place in places])
    scaled = affine_transform(mask.astype(np.float32), np.eye(2) / by, offset=middle - middle / by, order=1)
    larger: Mask = scaled > 0.5
    return larger


def regressed(shown: Sequence[Corrected]) -> EdgeRegression | None:
    """Learn from corrected outlines, each of which counts the same; None from none.

    The penalised likelihood's maximum by Newton's method; without evidence an outline stays where it is.

    Args:
        shown: the outlines.
    """
    if not shown:
        return None
    samples = [sample for one in shown for sample in one.samples]
    features = np.concatenate([one.features for one in samples]).astype(np.float64)
    true = np.concatenate([one.true for one in samples]).astype(np.float64)
    counts = np.concatenate([np.full(len(one.true), 1 / len(one.true)) for one in samples])
    middle = counts @ features / counts.sum()
    spread = np.sqrt(counts @ (features - middle) ** 2 / counts.sum()) + 1e-3
    rows = np.column_stack([(features - middle) / spread, np.ones(len(features))])
    prior = np.zeros(FEATURES + 1)
    prior[0], prior[-1] = AS_DRAWN, AS_DRAWN * middle[0] / spread[0]
    ridge = np.full(FEATURES + 1, RIDGE * np.sqrt(len(samples)))
    weights = prior.copy()
    for _ in range(ROUNDS):
        likely = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (counts * (likely - true)) + ridge * (weights - prior)
        curvature = (rows * (counts * likely * (1 - likely))[:, None]).T @ rows + np.diag(ridge)
        weights -= np.linalg.solve(curvature, slope)
    plain = weights[:-1] / spread
    bias = weights[-1] - middle @ plain
    means = np.array([one.means for one in samples])
    numbers = ([*plain, bias], means.min(axis=0), means.max(axis=0))
    return EdgeRegression(*(tuple(float(f"{value:.4g}") for value in each) for each in numbers))
