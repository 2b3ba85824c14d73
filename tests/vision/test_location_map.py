"""Location map: 1 on the thing, 0 on its ground."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backend.vision.location_map import Contrast, Location, contrast

THING, GROUND, BETWEEN = (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)
VALID = torch.ones(2, 3, dtype=torch.bool)


def features(*cells: tuple[float, float]) -> Tensor:
    """Six cells, row by row, (2, 2, 3) float."""
    return torch.tensor(cells).T.reshape(2, 2, 3)


def covering(*cells: int) -> Tensor:
    """Coverage of the cells with these numbers, (2, 3) float."""
    coverage = torch.zeros(6)
    coverage[list(cells)] = 1
    return coverage.reshape(2, 3)


def level(value: float, *, deviation: float) -> Contrast:
    """A contrast that says *value* of every cell that looks like THING."""
    thing, nothing = torch.tensor(THING), torch.zeros(2)
    return Contrast(thing, nothing, thing_level=1 / value, ground_level=0.0, deviation=deviation)


def test_the_thing_is_one_and_its_ground_is_zero() -> None:
    """Cosines less cosines are 1, -1 and, between the two, 0: halfway."""
    reference = contrast(features(THING, *[GROUND] * 5), covering(0), VALID)

    told = reference.map(features(THING, GROUND, BETWEEN, GROUND, GROUND, THING))

    assert torch.allclose(told, torch.tensor([[1.0, 0, 0.5], [0, 0, 1]]), atol=1e-6)


def test_how_bright_a_cell_is_does_not_count() -> None:
    """Features are compared by direction: on the reference and on the test image."""
    dim, bright = (0.1, 0.0), (0.0, 9.0)
    reference = contrast(features(dim, *[bright] * 5), covering(0), VALID)

    told = reference.map(features(THING, GROUND, dim, bright, (3.0, 3.0), GROUND))

    assert torch.allclose(told, torch.tensor([[1.0, 0, 1], [0, 0.5, 0]]), atol=1e-6)


def test_zero_is_the_median_of_what_is_beside_the_object() -> None:
    """Of five cells beside it, two show more of the things: they are no ground, and move nothing."""
    image = features(THING, THING, THING, GROUND, GROUND, GROUND)

    told = contrast(image, covering(0), VALID).map(image)

    assert torch.allclose(told, torch.tensor([[1.0, 1, 1], [0, 0, 0]]), atol=1e-6)


def test_one_is_the_mean_over_an_object_of_many_looks() -> None:
    """Cells count by how much of them is covered."""
    image = features(THING, BETWEEN, GROUND, GROUND, GROUND, (-1.0, 1.0))
    coverage = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]])

    told = contrast(image, coverage, VALID).map(image)

    assert float((told * coverage).sum() / 1.5) == pytest.approx(1)
    assert float(told[coverage == 0].median()) == pytest.approx(0, abs=1e-6)


def test_the_deviation_is_that_of_the_ground_on_the_scale_of_the_map() -> None:
    """Four cells beside the thing, of which one is halfway: the deviation of 0, 0, 0, 0.5."""
    image = features(THING, GROUND, GROUND, GROUND, BETWEEN, THING)
    valid = torch.tensor([[True, True, True], [True, True, False]])

    reference = contrast(image, covering(0), valid)

    assert reference.deviation == pytest.approx((3 * 0.125**2 + 0.375**2) ** 0.5 / 2)


def test_padding_is_no_ground() -> None:
    """What padding looks like says nothing: the last column here."""
    valid = torch.tensor([[True, True, False], [True, True, False]])
    image = features(THING, GROUND, THING, GROUND, GROUND, (-1.0, 0.0))
    plain = features(THING, GROUND, GROUND, GROUND, GROUND, GROUND)

    reference = contrast(image, covering(0), valid)

    assert reference.deviation == contrast(plain, covering(0), VALID).deviation
    assert torch.equal(reference.map(plain), contrast(plain, covering(0), VALID).map(plain))


def test_an_object_smaller_than_a_cell_is_the_cell_it_covers_best() -> None:
    """The neighbour that it touches is neither thing nor ground."""
    image = features(THING, BETWEEN, GROUND, GROUND, GROUND, GROUND)
    coverage = torch.tensor([[0.2, 0.1, 0.0], [0.0, 0.0, 0.0]])

    reference = contrast(image, coverage, VALID)

    assert torch.allclose(reference.map(image), torch.tensor([[1.0, 0.5, 0], [0, 0, 0]]), atol=1e-6)
    assert reference.deviation == contrast(features(THING, *[GROUND] * 5), coverage, VALID).deviation


def test_an_object_that_fills_the_image_is_compared_with_itself_alone() -> None:
    """There is no ground: cells as like it as it is to itself are 1, cells that share nothing with it 0."""
    image = features(*[THING, BETWEEN] * 3)

    reference = contrast(image, torch.ones(2, 3), VALID)

    assert float(reference.map(image).mean()) == pytest.approx(1)
    assert torch.allclose(reference.map(features(*[(1.0, -1 - 2**0.5)] * 6)), torch.zeros(2, 3), atol=1e-6)
    assert reference.deviation > 0


def test_a_ground_like_the_thing_gives_numbers_all_the_same() -> None:
    """Nothing is told from nothing: no division by zero."""
    image = features(*[THING] * 6)

    reference = contrast(image, covering(0), VALID)

    assert torch.isfinite(reference.map(image)).all()
    assert reference.deviation > 0


def test_an_even_ground_makes_no_encoder_infinitely_sure() -> None:
    """A deviation of zero on one background is chance, and would silence the other encoder."""
    sure = contrast(features(THING, *[GROUND] * 5), covering(0), VALID)

    assert sure.deviation > 0


def test_each_encoder_counts_by_one_over_its_variance() -> None:
    """Deviations of 1 and 0.5 count one to four: (0.2 + 4 * 0.7) / 5."""
    location = Location(sam=level(0.2, deviation=1.0), semantic=level(0.7, deviation=0.5))
    everywhere = features(*[THING] * 6)

    mixed = location.map(everywhere, everywhere, VALID)

    assert torch.allclose(mixed, torch.full((2, 3), 0.6))


def test_each_encoder_reads_its_own_features() -> None:
    """One sees the thing on the left, the other below; where both see it, the map is highest."""
    one = level(1.0, deviation=1.0)
    location = Location(sam=one, semantic=replace(one))
    left = features(THING, GROUND, GROUND, THING, GROUND, GROUND)
    below = features(GROUND, GROUND, GROUND, THING, THING, THING)

    mixed = location.map(left, below, VALID)

    assert torch.allclose(mixed, torch.tensor([[0.5, 0, 0], [1, 0.5, 0.5]]))


def test_padding_has_the_least_value() -> None:
    """Whatever the encoders see there: no peak may lie on it."""
    one = level(1.0, deviation=1.0)
    image = features(THING, BETWEEN, THING, THING, BETWEEN, THING)
    valid = torch.tensor([[True, True, False], [True, True, False]])

    mixed = Location(one, one).map(image, image, valid)

    assert mixed[:, 2].tolist() == [float(mixed[valid].min())] * 2
    assert mixed[0, 0] > mixed[0, 1] == mixed[0, 2]
