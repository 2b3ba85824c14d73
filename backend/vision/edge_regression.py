"""Edge regression: where people see the edge of a thing, learned from the outlines that they have corrected.

SAM draws an outline about right, and some pixels beside where people draw it: a ring outside or not, a halo
within or not. How the image looks there, against what is inside the outline and what is around it, tells on
which side each pixel near it belongs (a logistic regression, as pixel classification with interactive tools
has it, of a band along the outline alone). A few corrected outlines show few ways of being wrong, so each
thing also teaches with an outline that is a little too small, and with one that is a little too large.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from backend.vision.colour import lab
from backend.vision.drawing import near
from backend.vision.errors import LearnedError
from backend.vision.sam import ImageEmbedding

BAND = 3.5  # low-resolution pixels on either side of an outline that may change sides
AROUND = 8  # low-resolution pixels outside an outline whose colours are those around the thing
MARGIN = 14  # of low-resolution pixels around a mask: what is blurred must not end there
BLURS = (0.7, 1.5, 3.0)  # low-resolution pixels: standard deviations of what slopes are taken of
SCALES = (20.0, 5.0)  # of colours and of their slopes, in units of L*a*b*: makes numbers of about 1
LEAST_CONTRAST = 5.0  # of L*a*b*
FEATURES = 2 * (9 + 3 * len(BLURS))  # each once more, squared
CLEAR = 4.0  # numbers beyond are squared as if they were it
MEANS = 6
STARTS = (0.88, 1.14)  # of a thing's sides: outlines that it is learned from besides those that were found
PIXELS = 400  # of an outline that it is learned from: bounds time and memory with large things
UNSEEN = 3.0  # of L*a*b*, about what an eye tells apart: colours farther from those that were seen are others
RIDGE = 0.1
AS_DRAWN = 2.0  # how surely a pixel belongs where the outline has it, until something else is learned
ROUNDS = 10  # of Newton's method

Pixels = NDArray[np.float64]


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

    def knows(self, rim: "Rim") -> bool:
        """Whether a thing has colours that were seen, within and around: of others it says nothing."""
        least, most = np.array(self.least) - UNSEEN, np.array(self.most) + UNSEEN
        return bool(((rim.means >= least) & (rim.means <= most)).all())

    def told(self, rim: "Rim") -> Pixels:
        """How surely each pixel of the window is inside by it, from -1 to 1, (n, m)."""
        sure = np.where(rim.inside, 1.0, -1.0)
        if self.knows(rim):
            sure[rim.band] = (rim.features @ self.weights[:-1] + self.weights[-1]).clip(-1, 1)
        return sure

    def drawn(self, logits: Tensor, colours: Pixels) -> Tensor:
        """Move an outline to where people see the edge.

        Args:
            logits: low-resolution logits over the padded square, (4h, 4w) float.
            colours: see ``colours_of``.

        Returns:
            Logits with another outline, (4h, 4w) float; as before where nothing would be left, where there is
            nothing beside it to compare with, or where nothing of such colours was seen.
        """
        rim = rim_of((logits > 0).cpu().numpy(), colours)
        if rim is None or not self.knows(rim):
            return logits
        sure = self.told(rim)
        if not (sure > 0).any():
            return logits
        result = logits.clone()
        shown = result[: colours.shape[0], : colours.shape[1]]
        shown[rim.rows, rim.columns] = torch.from_numpy(sure).to(logits)
        return result


@dataclass(frozen=True, eq=False)
class Rim:
    """How an image looks along an outline.

    Attributes:
        rows: of the window around it.
        columns: of the window.
        inside: the mask in the window, (n, m) bool.
        means: of L*, a* and b* inside, then around, (MEANS,).
        band: pixels of the window that may change sides, p of them, (n, m) bool.
        features: of each of them, (p, FEATURES) float32.
    """

    rows: slice
    columns: slice
    inside: NDArray[np.bool_]
    means: Pixels
    band: NDArray[np.bool_]
    features: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sample:
    """Some pixels along an outline of a thing.

    Attributes:
        features: see ``Rim``, (k, FEATURES) float32.
        true: whether each is a part of the thing, (k,) bool.
        means: see ``Rim``.
    """

    features: NDArray[np.float32]
    true: NDArray[np.bool_]
    means: Pixels


@dataclass(frozen=True, eq=False)
class Corrected:
    """An outline with the thing that a person has marked there.

    Attributes:
        rim: of the outline as it was found.
        true: the thing in the window, (n, m) bool.
        area: pixels of the thing, within the window and beyond.
        samples: what it is learned from, see ``STARTS``.
    """

    rim: Rim
    true: NDArray[np.bool_]
    area: int
    samples: tuple[Sample, ...]

    def iou(self, regression: EdgeRegression | None = None) -> float:
        """IoU of the outline with the thing: as it was found, or as *regression* has it."""
        inside = self.rim.inside if regression is None else regression.told(self.rim) > 0
        both = int((inside & self.true).sum())
        return both / (self.area + int(inside.sum()) - both)


def colours_of(window: NDArray[np.uint8], embedding: ImageEmbedding) -> Pixels:
    """L*, a* and b* of what the low-resolution square shows of a view, (rows, columns, 3).

    Args:
        window: pixels of the view, RGB, (H, W, 3) uint8.
        embedding: of the view.
    """
    size_hw = embedding.shown_hw(4 * embedding.grid_hw[0])
    pixels = torch.from_numpy(np.require(window, requirements=("C", "W"))).permute(2, 0, 1)[None].float()
    small = interpolate(pixels, size_hw, mode="bilinear", antialias=True)[0]
    return np.ascontiguousarray(lab(small / 255).permute(1, 2, 0).numpy(), dtype=np.float64)


def rim_of(mask: NDArray[np.bool_], colours: Pixels) -> Rim | None:
    """How an image looks along the outline of a mask.

    Args:
        mask: at low resolution, over the padded square, (4h, 4w) bool.
        colours: see ``colours_of``.

    Returns:
        That, or None for an empty mask, or one that has nothing around it.
    """
    shown = mask[: colours.shape[0], : colours.shape[1]]
    if not shown.any():
        return None
    rows, columns = (near(torch.from_numpy(shown), dim=dim, margin=MARGIN) for dim in (1, 0))
    inside, seen = shown[rows, columns], colours[rows, columns]
    if inside.all():
        return None
    depth = _depth(inside)
    around = ~inside & (depth > -AROUND)
    within, beside = seen[inside].mean(axis=0), seen[around].mean(axis=0)
    contrast = (np.linalg.norm(within - beside) + LEAST_CONTRAST) ** 2
    features = [depth, depth / np.sqrt(inside.sum()), (seen - beside) @ (within - beside) / contrast]
    features += [(seen[..., k] - other[k]) / SCALES[0] for k in range(3) for other in (within, beside)]
    features += _slopes(seen[..., 0], depth)
    band = np.abs(depth) <= BAND
    plain = np.stack(features, axis=-1)[band]
    both = np.concatenate([plain, plain.clip(-CLEAR, CLEAR) ** 2], axis=1)
    means = np.concatenate([within, beside])
    return Rim(rows, columns, inside, means, band, both.astype(np.float32))


def _depth(inside: NDArray[np.bool_]) -> Pixels:
    """How deep inside the outline each pixel lies, in pixels; outside below 0."""
    from scipy.ndimage import distance_transform_edt  # large: only where something is to be learned

    outwards, inwards = distance_transform_edt(~inside), distance_transform_edt(inside)
    return np.where(inside, inwards - 0.5, 0.5 - outwards)


def _slopes(light: Pixels, depth: Pixels) -> Iterator[Pixels]:
    """Of L*, for each of ``BLURS``: its slope inwards, how steep it is, and how the slope changes inwards."""
    from scipy.ndimage import gaussian_filter

    down, across = np.gradient(gaussian_filter(depth, 1.0))
    length = np.hypot(down, across) + 1e-6
    down, across = down / length, across / length
    for sigma in BLURS:
        slope_down, slope_across = np.gradient(gaussian_filter(light, sigma))
        inwards = slope_down * down + slope_across * across
        changes_down, changes_across = np.gradient(inwards)
        yield inwards / SCALES[1]
        yield np.hypot(slope_down, slope_across) / SCALES[1]
        yield (changes_down * down + changes_across * across) / SCALES[1]


def corrected(mask: NDArray[np.bool_], true: NDArray[np.bool_], colours: Pixels) -> Corrected | None:
    """Compare a mask with the thing that a person has marked.

    Args:
        mask: at low resolution, over the padded square, (4h, 4w) bool.
        true: the thing, likewise.
        colours: see ``colours_of``.

    Returns:
        That, or None where ``rim_of`` has none.
    """
    rim = rim_of(mask, colours)
    if rim is None:
        return None
    shown = true[: colours.shape[0], : colours.shape[1]]
    started = [rim_of(_scaled(shown, by), colours) for by in STARTS]
    samples = tuple(_sample(one, shown) for one in (rim, *started) if one is not None)
    return Corrected(rim, shown[rim.rows, rim.columns], int(true.sum()), samples)


def _sample(rim: Rim, true: NDArray[np.bool_]) -> Sample:
    """Some pixels of a rim, evenly chosen, with the thing, (rows, columns) bool."""
    mine = true[rim.rows, rim.columns][rim.band]
    step = max(1, -(-len(mine) // PIXELS))
    return Sample(rim.features[::step].copy(), mine[::step], rim.means)


def _scaled(mask: NDArray[np.bool_], by: float) -> NDArray[np.bool_]:
    """A mask that is as much larger about its middle; where that is, all that there is of it."""
    from scipy.ndimage import affine_transform

    places = mask.nonzero()
    if not len(places[0]):
        return mask
    middle = np.array([place.mean() for place in places])
    scaled = affine_transform(mask.astype(np.float32), np.eye(2) / by, offset=middle - middle / by, order=1)
    larger: NDArray[np.bool_] = scaled > 0.5
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
