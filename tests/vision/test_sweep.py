"""The sweep over all labels at once."""

import numpy as np
import torch

from backend.vision.candidate import Candidate
from backend.vision.reference import LocationLevels, Reference
from backend.vision.sam import ImageEmbedding, Sam
from backend.vision.similarity import similarity_map
from backend.vision.sweep import relative, same, sweep_instances, taken
from tests.tiny_sam import CHANNELS, tiny_sam


def reference(target: torch.Tensor, *, ground: float = -1, thing: float = -0.9) -> Reference:
    """A reference without a semantic side."""
    levels = LocationLevels(thing=thing, ground=ground)
    return Reference("coin", target, levels, 4, torch.ones(3) / 3, semantic=())


def found(cells: torch.Tensor) -> Candidate:
    """A candidate that covers some cells."""
    return Candidate(torch.zeros(4, 4), iou=1, stability=1, coverage=cells.float(), finder=0)


def seen() -> tuple[Sam, ImageEmbedding]:
    """A random image of 38 x 64, and the SAM that saw it."""
    sam = tiny_sam()
    return sam, sam.embed(np.random.default_rng(0).integers(0, 256, (38, 64, 3), dtype=np.uint8))


def swept(sam: Sam, embedding: ImageEmbedding, *references: Reference, max_instances: int) -> list[Candidate]:
    """Sweep an image."""
    maps = [similarity_map(embedding.features, one.target, embedding.valid) for one in references]
    return sweep_instances(sam, embedding, references, torch.stack(maps), max_instances=max_instances)


def test_maps_of_several_references_come_to_one_scale() -> None:
    """As similar as the thing itself is 1, halfway to its ground 0, the ground -1."""
    first = reference(torch.ones(2), ground=0.2, thing=0.8)
    second = reference(torch.ones(2), ground=0.6, thing=1.0)
    similarities = torch.tensor([[[0.8, 0.5, 0.2]], [[1.0, 0.8, 0.6]]])

    assert torch.allclose(relative(similarities, [first, second]), torch.tensor([[[1.0, 0.0, -1.0]]] * 2))


def test_a_mask_of_the_references_size_takes_all_its_cells() -> None:
    """And the neighbours of the place: (column 1, row 0) of 3 x 6 cells."""
    cells = torch.zeros(3, 6, dtype=torch.bool)
    cells[0, :4] = True

    gone = taken(found(cells), cells=2, place_xy=(1, 0))

    assert gone.tolist() == [[True] * 4 + [False] * 2, [True] * 3 + [False] * 3, [False] * 6]


def test_a_much_larger_mask_takes_only_the_place() -> None:
    """The plate around the food must not hide the food."""
    cells = torch.ones(3, 6, dtype=torch.bool)

    gone = taken(found(cells), cells=2, place_xy=(5, 2))

    assert gone.tolist() == [[False] * 6, [False] * 4 + [True] * 2, [False] * 4 + [True] * 2]


def test_the_sweep_ends_when_nothing_left_is_similar() -> None:
    """No cell is above a cosine of 1."""
    sam, embedding = seen()

    high = reference(torch.ones(CHANNELS), ground=1, thing=1)

    assert swept(sam, embedding, high, max_instances=9) == []


def test_a_candidate_names_the_reference_that_its_place_resembles_most() -> None:
    """Of two opposite targets each place is like one."""
    sam, embedding = seen()
    target = embedding.features[:, 0, 0]

    candidates = swept(sam, embedding, reference(-target), reference(target), max_instances=1)

    assert [one.finder for one in candidates] == [1]


def test_the_bound_ends_the_sweep() -> None:
    """Everything is similar enough; five rounds, and no more."""
    sam, embedding = seen()

    candidates = swept(sam, embedding, reference(torch.ones(CHANNELS)), max_instances=5)

    assert 0 < len(candidates) <= 5


def test_masks_that_differ_by_a_rim_are_the_same() -> None:
    """Of 100 pixels 95 are shared; a half is another mask."""
    mask, rim, half = (torch.zeros(10, 20, dtype=torch.bool) for _ in range(3))
    mask[:, :10] = rim[:, :10] = half[:5, :10] = True
    rim[0, :5] = False

    assert same(mask, rim)
    assert not same(mask, half)
