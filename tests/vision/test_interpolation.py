"""Places between cells, and beyond them."""

import torch
from torch.nn.functional import grid_sample

from backend.vision.interpolation import linear_weights


def test_a_place_between_two_cells_is_told_by_both() -> None:
    """A quarter of the way from the second to the third of four."""
    assert linear_weights(torch.tensor([1.25]), 4).tolist() == [[0.0, 0.75, 0.25, 0.0]]


def test_beyond_the_edges_the_last_cell_says_all() -> None:
    """No place is read as nothing."""
    assert linear_weights(torch.tensor([-3.0, 9.0]), 3).tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


def test_two_products_read_a_grid_as_torch_does() -> None:
    """Three rows and five columns, at places inside and outside."""
    grid = torch.arange(15.0).view(3, 5)
    rows, columns = torch.tensor([-1.0, 0.4, 1.9, 7.0]), torch.tensor([0.3, 3.7])

    read = linear_weights(rows, 3) @ grid @ linear_weights(columns, 5).T

    places = torch.meshgrid((columns + 0.5) * 2 / 5 - 1, (rows + 0.5) * 2 / 3 - 1, indexing="xy")
    expected = grid_sample(
        grid[None, None], torch.stack(places, dim=-1)[None], padding_mode="border", align_corners=False
    )
    torch.testing.assert_close(read, expected[0, 0])
