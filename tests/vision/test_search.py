"""The report's loop, on a tiny random SAM and on hand-made maps."""

import numpy as np
import torch

from backend.vision.location_prior import LocationPrior
from backend.vision.reference import Reference
from backend.vision.sam import ImageEmbedding
from backend.vision.search import search_instances, suppressed
from tests.tiny_sam import CHANNELS, tiny_sam
from tests.vision import made_by_hand


def seen() -> ImageEmbedding:
    """A random image of 38 x 64."""
    image = np.random.default_rng(0).integers(0, 256, (38, 64, 3), dtype=np.uint8)
    return tiny_sam().embed(image)


def reference(*, ground: float, thing: float) -> Reference:
    """What the loop needs of a reference."""
    return made_by_hand.reference(channels=CHANNELS, ground=ground, thing=thing)


def test_suppressed_cells_are_the_least_similar_of_the_map() -> None:
    """Cells of the found mask go, and the cell it was found at though the mask misses it."""
    similarity = torch.tensor([[0.9, 0.8, 0.1], [0.7, 0.2, 0.3]])
    cells = torch.tensor([[False, True, False], [False, True, False]])

    left = suppressed(similarity, cells, LocationPrior((0, 1), (2, 0), 0.7))

    assert torch.allclose(left, torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.1, 0.3]]))


def test_the_loop_ends_when_nothing_left_is_similar() -> None:
    """No cell is above a cosine of 1: not one round."""
    found = search_instances(
        tiny_sam(), seen(), reference(ground=1, thing=1), finder=0, guidance="none", max_instances=9,
        mask_weights=None,
    )  # fmt: skip

    assert found == []


def test_the_loop_goes_on_while_anything_is_similar() -> None:
    """Every cell is above a cosine of -1, so only the bound ends it; each guidance and PerSAM-F can do it."""
    weights = torch.tensor([0.2, 0.5, 0.3])
    for guidance, mask_weights in (("none", None), ("hf", None), ("exact", None), ("none", weights)):
        found = search_instances(
            tiny_sam(), seen(), reference(ground=-1, thing=-1), finder=3, guidance=guidance,  # type: ignore[arg-type]
            max_instances=3, mask_weights=mask_weights,
        )  # fmt: skip

        assert [one.finder for one in found] == [3, 3, 3]


def test_the_loop_visits_every_cell_at_most_once() -> None:
    """5 x 8 cells show the image; a round takes at least one of them."""
    found = search_instances(
        tiny_sam(), seen(), reference(ground=-1, thing=-1), finder=0, guidance="none", max_instances=999,
        mask_weights=None,
    )  # fmt: skip

    assert 0 < len(found) <= 40
