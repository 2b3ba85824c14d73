"""Prototypes, references and candidates with figures that a reader can check."""

from collections.abc import Sequence

import torch
from torch import Tensor

from backend.vision.calibration import SemanticReference
from backend.vision.candidate import Candidate, cell_coverage
from backend.vision.check import Appearance, Exemplar
from backend.vision.edges import Edges
from backend.vision.evidence import Cues
from backend.vision.layout import CELLS as LAYOUT_CELLS
from backend.vision.location_map import Contrast, Location
from backend.vision.prototype import Look, Prototype
from backend.vision.reference import LocationLevels, Reference
from backend.vision.sam import ImageEmbedding, resized_size

SIDE = 8  # low-resolution pixels along a side of a mask of 2 x 2 cells
CELLS = 2
NOTHING = Contrast(torch.ones(2), torch.zeros(2), thing_level=1, ground_level=0, deviation=1, sharpness=1)
DATE, FIG, OTHER = torch.eye(3)
GREY = torch.tensor([1.0, 0.0])  # a histogram of two colours
PLAIN = torch.zeros(3, LAYOUT_CELLS, LAYOUT_CELLS)  # a layout of one colour
EDGE = Edges(torch.eye(11, 3)[None], torch.tensor([0.2]), torch.tensor([True]))


def embedding(height: int, width: int) -> ImageEmbedding:
    """An empty embedding of 4 x 4 cells of 16 pixels; its masks have 16 x 16."""
    return ImageEmbedding(torch.zeros(2, 4, 4), (height, width), resized_size(height, width, 64), 64)


def grey(vectors: Tensor, *, layout: Tensor = PLAIN) -> Appearance:
    """Candidates with these semantic vectors, (n, 3) float; all are grey, with the same layout and edge."""
    count = len(vectors)
    edges = Edges(*(one.expand(count, *one.shape[1:]) for one in (EDGE.profiles, EDGE.sharpness, EDGE.known)))
    return Appearance(vectors, GREY.expand(count, 2), edges, layout.expand(count, *layout.shape))


def prototype(
    vector: Tensor = DATE,
    *more: Tensor,
    cells: float = 1,
    scale: int = 1,
    weak: bool = False,
    colours: Tensor = GREY,
    layout: Tensor = PLAIN,
) -> Prototype:
    """A prototype with an object per vector: cosine 0.2 is ground, 1 the thing itself."""
    looks = [
        Look(SemanticReference(one, ground=0.2, itself=1.0, weak=weak), colours, EDGE, layout)
        for one in (vector, *more)
    ]
    return Prototype(scale, cells, Location(NOTHING, NOTHING), tuple(looks))


def exemplar(label: str, shown: Prototype) -> Exemplar:
    """One reference with one prototype."""
    return Exemplar(label, shown, reference=0)


def reference(*, channels: int, ground: float, thing: float, label: str = "coin") -> Reference:
    """A reference for the loop: target, and the levels between which it ends."""
    return Reference(
        label=label,
        target=torch.ones(channels),
        location=LocationLevels(thing=thing, ground=ground),
        mask_weights=torch.tensor([0.2, 0.5, 0.3]),
        whole=prototype(),
    )


def candidate(
    rows: slice = slice(0, 4), columns: slice = slice(0, 4), *, iou: float = 0.9, finder: int = 0
) -> Candidate:
    """A box on 8 x 8 low-resolution pixels, which are 2 x 2 cells; at first it is the first cell."""
    logits = torch.full((SIDE, SIDE), -8.0)
    logits[rows, columns] = 8
    return Candidate(logits, iou, 1.0, cell_coverage(logits[None] > 0, CELLS)[0], finder)


def cues(
    location: Sequence[float], *, lead: Sequence[float] | None = None, company: Sequence[float] | None = None
) -> Cues:
    """Cues that differ in these only."""
    same = torch.zeros(len(location))
    return Cues(
        location=torch.tensor(location),
        size=same,
        iou=same + 0.9,
        stability=same + 1,
        likeness=same + 1,
        colour=same + 1,
        edge=same + 1,
        sharpness=same,
        lead=same if lead is None else torch.tensor(lead),
        company=same if company is None else torch.tensor(company),
    )
