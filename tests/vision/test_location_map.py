"""Location map: 1 on the thing, 0 on its ground."""

import pytest
import torch
from torch import Tensor

from backend.vision.location_map import (
    SHARPNESS,
    Contrast,
    Location,
    LocationMaps,
    contrast,
    mean_maps,
    sharpness,
)

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


def level(value: float, *, deviation: float = 1.0, sharp: float = 1.0) -> Contrast:
    """A contrast that says *value* of every cell that looks like THING."""
    thing, nothing = torch.tensor(THING), torch.zeros(2)
    return Contrast(
        thing, nothing, thing_level=1 / value, ground_level=0.0, deviation=deviation, sharpness=sharp
    )


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


def test_an_encoder_to_which_all_is_the_same_has_next_to_no_say() -> None:
    """Its ground does not vary, and its map falls all at once; it is not sure of anything for that."""
    same, image = features(*[THING] * 6), features(THING, *[GROUND] * 5)
    location = Location(sam=contrast(image, covering(0), VALID), semantic=contrast(same, covering(0), VALID))

    maps = location.maps(image, same, VALID)

    assert torch.allclose(maps.likely, torch.tensor([[1.0, 0, 0], [0, 0, 0]]), atol=1e-3)
    assert torch.allclose(maps.sharp, torch.tensor([[1.0, 0, 0], [0, 0, 0]]), atol=1e-3)


def test_an_even_ground_makes_no_encoder_infinitely_sure() -> None:
    """A deviation of zero on one background is chance, and would silence the other encoder."""
    sure = contrast(features(THING, *[GROUND] * 5), covering(0), VALID)

    assert sure.deviation > 0


def test_how_likely_is_mixed_by_one_over_the_variance() -> None:
    """Deviations of 1 and 0.5 count one to four: (0.2 + 4 * 0.7) / 5."""
    location = Location(sam=level(0.2, deviation=1.0), semantic=level(0.7, deviation=0.5))
    everywhere = features(*[THING] * 6)

    maps = location.maps(everywhere, everywhere, VALID)

    assert torch.allclose(maps.likely, torch.full((2, 3), 0.6))
    assert torch.allclose(maps.sharp, torch.full((2, 3), 0.45))


def test_peaks_are_mixed_by_how_sharp_each_encoder_is() -> None:
    """Half as sharp counts far less; how much its ground varies does not matter here."""
    location = Location(sam=level(0.2, deviation=0.1), semantic=level(0.7, deviation=0.5, sharp=0.5))
    everywhere, share = features(*[THING] * 6), 0.5**SHARPNESS

    maps = location.maps(everywhere, everywhere, VALID)

    assert torch.allclose(maps.sharp, torch.full((2, 3), (0.2 + share * 0.7) / (1 + share)))


def test_each_encoder_reads_its_own_features() -> None:
    """One sees the thing on the left, the other below; where both see it, the map is highest."""
    location = Location(sam=level(1.0), semantic=level(1.0))
    left = features(THING, GROUND, GROUND, THING, GROUND, GROUND)
    below = features(GROUND, GROUND, GROUND, THING, THING, THING)

    maps = location.maps(left, below, VALID)

    assert torch.allclose(maps.likely, torch.tensor([[0.5, 0, 0], [1, 0.5, 0.5]]))
    assert torch.equal(maps.sharp, maps.likely)


def test_padding_has_the_least_value() -> None:
    """Whatever the encoders see there: no peak may lie on it."""
    image = features(THING, BETWEEN, THING, THING, BETWEEN, THING)
    valid = torch.tensor([[True, True, False], [True, True, False]])

    maps = Location(level(1.0), level(1.0)).maps(image, image, valid)

    for one in (maps.likely, maps.sharp):
        assert one[:, 2].tolist() == [float(one[valid].min())] * 2
        assert one[0, 0] > one[0, 1] == one[0, 2]


def test_several_references_speak_with_one_voice() -> None:
    """Their mean, of each of the two maps."""
    first = LocationMaps(likely=torch.tensor([[0.2, 0.4]]), sharp=torch.tensor([[1.0, 0.0]]))
    second = LocationMaps(likely=torch.tensor([[0.6, 0.0]]), sharp=torch.tensor([[0.0, 0.0]]))

    mean = mean_maps([first, second])

    assert torch.allclose(mean.likely, torch.tensor([[0.4, 0.2]]))
    assert torch.allclose(mean.sharp, torch.tensor([[0.5, 0.0]]))


def around(centre: float, touching: float, next_to_it: float, far: float) -> Tensor:
    """A map of 9 x 11 cells by their distance from one cell: 0, 1, 2, or more."""
    relative = torch.full((9, 11), far)
    for value, by in ((next_to_it, 2), (touching, 1), (centre, 0)):
        relative[4 - by : 5 + by, 5 - by : 6 + by] = value
    return relative


@pytest.mark.parametrize(("next_to_it", "sharp"), [(0.0, 1), (-0.4, 1), (0.25, 0.75), (0.6, 0.4)])
def test_sharpness_is_how_far_the_map_has_fallen_around_the_object(next_to_it: float, sharp: float) -> None:
    """Neither what touches it, where both may mix, nor what is far away says how sharp its edge is."""
    coverage = around(1.0, 0.0, 0.0, 0.0)

    found = sharpness(around(1.0, -0.5, next_to_it, 0.8), coverage, coverage == 0)

    assert found == pytest.approx(sharp)


def test_a_neighbour_that_is_not_annotated_makes_no_edge_blunt() -> None:
    """Half of the cells around the object show another one: the lower quarter counts."""
    relative, coverage = around(1.0, 0.0, 0.0, 0.0), around(1.0, 0.0, 0.0, 0.0)
    relative[:, 6:] = 1

    assert sharpness(relative, coverage, coverage == 0) == 1


def test_no_encoder_is_without_any_sharpness() -> None:
    """A map that does not fall at all; and an object with nothing around it to fall on."""
    coverage = around(1.0, 0.0, 0.0, 0.0)

    assert 0 < sharpness(around(1.0, 1.0, 1.0, 1.0), coverage, coverage == 0) < 0.5
    assert sharpness(torch.ones(2, 3), torch.ones(2, 3), torch.zeros(2, 3) > 0) > 0


def test_padding_around_the_object_is_not_looked_at() -> None:
    """The object lies at the lower edge; what the map says below is chance."""
    relative, coverage = around(1.0, 0.5, 0.5, 0.0), around(1.0, 0.0, 0.0, 0.0)
    relative[5:] = -9
    shown = torch.arange(9)[:, None] < 5

    assert sharpness(relative, coverage, (coverage == 0) & shown) == pytest.approx(0.5)


def test_the_reach_grows_with_the_object() -> None:
    """Five by five cells: what lies four cells off still counts as around it; alone, it has fallen here."""
    coverage, relative = torch.zeros(17, 19), torch.full((17, 19), 0.9)
    coverage[6:11, 7:12] = 1
    relative[2:15, 3:16] = 0.1
    relative[3:14, 4:15] = 0.9

    assert sharpness(relative, coverage, coverage == 0) == pytest.approx(0.9)


def test_without_meaning_the_maps_are_those_of_sam() -> None:
    """What the other encoder sees, and how sure it is, does not count."""
    location = Location(sam=level(1.0), semantic=level(1.0, deviation=0.1))
    left, below = features(*[THING, GROUND, GROUND] * 2), features(*[GROUND] * 3, *[THING] * 3)

    maps = location.maps(left, below, VALID, without=["meaning"])

    assert torch.equal(maps.likely, torch.tensor([[1.0, 0, 0], [1, 0, 0]]))
    assert torch.equal(maps.sharp, maps.likely)


def test_without_the_sharp_map_peaks_are_those_of_the_likely_one() -> None:
    """Of two encoders, the sharper one is the less sure."""
    location = Location(sam=level(0.2, deviation=1.0), semantic=level(0.7, deviation=0.5, sharp=0.5))
    everywhere = features(*[THING] * 6)

    maps = location.maps(everywhere, everywhere, VALID, without=["sharp"])

    assert torch.equal(maps.sharp, maps.likely)
    assert torch.equal(maps.likely, location.maps(everywhere, everywhere, VALID).likely)


def test_without_the_background_the_thing_alone_is_compared_on_a_scale_of_its_own() -> None:
    """Cosines with the thing: 1, 0 on the ground, and 0.71 halfway between, where the ground makes it 0.5."""
    image = features(THING, *[GROUND] * 5)
    both = contrast(image, covering(0), VALID)

    maps = Location(both, both).maps(
        *(features(THING, GROUND, BETWEEN, GROUND, GROUND, THING),) * 2, VALID, without=["background"]
    )

    assert torch.allclose(maps.likely, torch.tensor([[1.0, 0, 0.5**0.5], [0, 0, 1]]), atol=1e-6)


def test_what_is_measured_of_the_thing_alone_is_measured_as_with_its_ground() -> None:
    """Cosines 0, 0, 0 and 0.71 beside it, where with a ground they are -1, -1, -1 and 0."""
    image = features(THING, GROUND, GROUND, GROUND, BETWEEN, THING)
    valid = torch.tensor([[True, True, True], [True, True, False]])

    alone = contrast(image, covering(0), valid).alone

    assert alone is not None
    assert alone.deviation == pytest.approx(0.5**0.5 * (3 * 0.25**2 + 0.75**2) ** 0.5 / 2)
    assert (alone.thing_level, alone.ground_level) == pytest.approx((1, 0))
    assert alone.ground.tolist() == [0, 0]


def test_where_there_is_no_ground_nothing_changes_without_it() -> None:
    """The object fills the image: it is compared with the thing alone in any case."""
    image = features(*[THING, BETWEEN] * 3)
    reference = contrast(image, torch.ones(2, 3), VALID)
    location = Location(reference, reference)

    without = location.maps(image, image, VALID, without=["background"])

    assert torch.equal(without.likely, location.maps(image, image, VALID).likely)
