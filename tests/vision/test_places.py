"""The search of the location maps, peak by peak, with a SAM that segments what is of one colour."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backend.vision.candidate import Candidate
from backend.vision.evidence import FITTED
from backend.vision.location_map import LocationMaps
from backend.vision.places import PROMISING, covered, peaks, sweep_places, worth_drawing
from backend.vision.prototype import Prototype
from tests.colour_sam import BLUE, CELL, RED, WHOLE_IOU, ColourSam, drawn
from tests.vision.made_by_hand import candidate, prototype

LEFT, RIGHT = (8, 8, 16, 12, RED), (12, 36, 12, 16, BLUE)  # 4 x 3 and 3 x 4 cells


def maps(*boxes: tuple[int, int, int, int, float]) -> Tensor:
    """A map of 16 x 16 cells: (top, left, height, width, level) in pixels of the drawn image."""
    location = torch.zeros(16, 16)
    for top, left, height, width, level in boxes:
        rows, columns = (
            slice(top // CELL, (top + height) // CELL),
            slice(left // CELL, (left + width) // CELL),
        )
        location[rows, columns] = level
    return location


def swept(
    sam: ColourSam, prototypes: dict[int, Prototype], found: dict[int, Tensor], *, max_places: int = 99
) -> tuple[list[Candidate], bool]:
    """Sweep the drawn image with both boxes."""
    embedding = sam.embed(drawn(LEFT, RIGHT))
    both = {number: alike(one) for number, one in found.items()}
    return sweep_places(sam, embedding, prototypes, both, max_places=max_places, weights=FITTED.first)


def alike(location: Tensor) -> LocationMaps:
    """Maps that say the same."""
    return LocationMaps(likely=location, sharp=location)


def test_a_place_is_asked_for_by_the_box_that_is_learned_for_its_cell() -> None:
    """A corner of the red box is its peak; what is learned leads to the middle. Of blue ones nothing is."""
    sam, location = ColourSam(), maps((8, 8, 4, 4, 0.9))
    boxes = torch.zeros(16, 16, 4)
    boxes[2, 2] = torch.tensor([8.0, 8.0, 20.0, 24.0])
    embedding = sam.embed(drawn(LEFT, RIGHT))
    both = {0: alike(location), 1: alike(maps((12, 36, 4, 4, 0.8)))}

    found, _ = sweep_places(
        *(sam, embedding, {0: prototype(), 1: prototype()}, both),
        max_places=99,
        weights=FITTED.first,
        boxes={0: boxes},
    )

    assert sam.places_xy == [(14.0, 16.0), (38.0, 14.0)]
    assert {one.finder for one in found} == {0, 1}


def test_peaks_come_by_falling_height_and_each_cell_once() -> None:
    """Row 2 of 5 x 8 cells is a peak of both maps; the label whose map is higher there has it."""
    first, second = torch.zeros(2, 5, 8)
    first[2, 1], first[4, 6] = 0.7, 0.8
    second[2, 1], second[0, 4] = 0.9, 0.5

    found = peaks(
        {3: prototype(), 5: prototype()},
        {3: alike(first), 5: alike(second)},
        torch.ones(5, 8, dtype=torch.bool),
    )

    assert found == [(2, 1, 5), (4, 6, 3), (0, 4, 5)]


def test_lower_neighbours_padding_and_what_promises_nothing_are_no_peaks() -> None:
    """Beside the peak; in the last column, which shows nothing; and hardly above the ground."""
    location = torch.zeros(3, 6)
    location[0, 0], location[0, 1], location[1, 5], location[2, 3] = 0.9, 0.8, 0.7, PROMISING / 2
    valid = torch.ones(3, 6, dtype=torch.bool)
    valid[:, 5] = False

    assert peaks({0: prototype()}, {0: alike(location)}, valid) == [(0, 0, 0)]


def test_places_of_a_large_thing_lie_farther_apart() -> None:
    """Three cells from a higher one: a peak of a thing of one cell, not of one of 30 x 30."""
    location = torch.zeros(3, 8)
    location[1, 1], location[1, 4] = 0.9, 0.8
    valid = torch.ones(3, 8, dtype=torch.bool)

    assert len(peaks({0: prototype(cells=1)}, {0: alike(location)}, valid)) == 2
    assert len(peaks({0: prototype(cells=900)}, {0: alike(location)}, valid)) == 1


def test_places_are_peaks_of_the_sharper_map_and_what_covers_them_is_judged_by_the_likelier() -> None:
    """Two boxes that run together on the one are two on the other; where that says no, no mask is sure."""
    embedding = ColourSam().embed(drawn(LEFT, RIGHT))
    both, vague, never = maps((*LEFT[:4], 0.9), (*RIGHT[:4], 0.8)), torch.ones(16, 16), torch.zeros(16, 16)

    counts = []
    for likely in (vague, never):
        sam = ColourSam()
        sweep_places(
            *(sam, embedding, {0: prototype(cells=12)}, {0: LocationMaps(likely, both)}),
            max_places=99,
            weights=replace(FITTED.first, location=9.0, bias=-15.0),
        )
        counts.append(len(sam.places_xy))

    assert counts == [2, 24]


def test_what_a_good_mask_covers_is_not_looked_at_again() -> None:
    """All 12 cells of each box are as high; one place each, the more promising box first."""
    sam = ColourSam()

    found, limited = swept(sam, {0: prototype(cells=12)}, {0: maps((*LEFT[:4], 0.9), (*RIGHT[:4], 1.0))})

    assert [x >= RIGHT[1] for x, _ in sam.places_xy] == [True, False]
    assert len(found) == 2 * 3
    assert not limited


def test_every_place_inside_a_mask_that_is_too_large_is_looked_at() -> None:
    """For a thing of one cell the box may be several things; the upper half is too large as well."""
    sam = ColourSam()

    swept(sam, {0: prototype(cells=1)}, {0: maps((*LEFT[:4], 1.0))})

    assert len(sam.places_xy) == len(set(sam.places_xy)) == 12


def test_a_place_is_in_the_middle_of_its_cell() -> None:
    """Row 5, column 10 of cells of 4 pixels; x before y."""
    sam = ColourSam()

    swept(sam, {0: prototype(cells=12)}, {0: maps((20, 40, 4, 4, 1.0))})

    assert sam.places_xy == [(42, 22)]


def test_candidates_name_the_prototype_whose_map_is_highest_there() -> None:
    """All three masks of a place do."""
    prototypes = {4: prototype(cells=12), 7: prototype(cells=12)}
    both = {4: maps((*LEFT[:4], 0.5), (*RIGHT[:4], 1.0)), 7: maps((*LEFT[:4], 0.9), (*RIGHT[:4], 0.6))}

    found, _ = swept(ColourSam(), prototypes, both)

    assert [one.finder for one in found] == [4] * 3 + [7] * 3


def test_of_references_that_share_a_map_the_smallest_has_the_place() -> None:
    """What is one of a large reference's things may be two of a small one's: those places are looked at."""
    both = alike(torch.full((3, 5), 0.9))
    prototypes = {2: prototype(cells=4), 3: prototype(cells=2), 5: prototype(cells=9)}

    found = peaks(prototypes, dict.fromkeys(prototypes, both), torch.ones(3, 5, dtype=torch.bool))

    assert {number for _, _, number in found} == {3}


def test_the_bound_is_told_only_where_it_left_something_out() -> None:
    """Two things; with room for one the better is looked at. What is covered asks for no room."""
    thing = {0: prototype(cells=12)}
    both = {0: maps((*LEFT[:4], 0.9), (*RIGHT[:4], 1.0))}
    sam = ColourSam()

    found, limited = swept(sam, thing, both, max_places=1)
    _, enough = swept(ColourSam(), thing, both, max_places=2)

    assert (len(found), limited, enough) == (3, True, False)
    assert sam.places_xy[0][0] >= RIGHT[1]


def test_a_map_without_a_promise_is_not_searched() -> None:
    """Finding nothing is normal."""
    sam = ColourSam()

    assert swept(sam, {0: prototype()}, {0: maps()}) == ([], False)
    assert sam.places_xy == []


def test_only_the_best_mask_of_a_place_covers_and_only_if_it_surely_is_one_thing() -> None:
    """One cell of 2 x 2 is the thing; where the map says nothing, no mask is sure."""
    part, whole = candidate(slice(0, 2)), candidate(iou=0.97)
    more = candidate(slice(0, 8), slice(0, 8), iou=0.4)
    thing = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    here = [part, whole, more]

    assert covered(here, prototype(), thing, FITTED.first).tolist() == [[True, False], [False, False]]
    assert not covered(here, prototype(), torch.zeros(2, 2), FITTED.first).any()
    assert not covered(here, prototype(cells=0.1), thing, FITTED.first).any()
    assert not covered([candidate(iou=0.9)], prototype(), thing, FITTED.first).any()  # it may be several


def test_without_the_choice_of_masks_a_place_has_the_one_of_the_best_predicted_iou() -> None:
    """The whole; neither its part nor all there is."""
    sam = ColourSam()
    embedding = sam.embed(drawn(LEFT, RIGHT))
    boxes = {0: alike(maps((*LEFT[:4], 0.9), (*RIGHT[:4], 1.0)))}

    found, _ = sweep_places(
        *(sam, embedding, {0: prototype(cells=12)}, boxes),
        max_places=99,
        weights=FITTED.first,
        without=["masks"],
    )

    assert [one.area for one in found] == [12, 12]
    assert [one.iou for one in found] == pytest.approx([WHOLE_IOU] * 2)


def test_a_sketch_far_too_large_or_beside_everything_likely_is_not_worth_drawing() -> None:
    """Things of 20 cells: one of them in its place is, and what covers few cells; a whole image is not."""
    location = torch.zeros(16, 16)
    location[4:8, 5:10] = 1.0
    found = {3: LocationMaps(likely=location, sharp=torch.zeros(16, 16))}
    worth = worth_drawing({3: prototype(cells=20.0)}, found, FITTED.first)
    sketch = torch.full((1, 4, 16, 16), -5.0)
    sketch[0, 0, 4:8, 5:10] = sketch[0, 1] = sketch[0, 2, 10:14, 2:7] = sketch[0, 3, 10:12, 2:4] = 5.0

    assert worth(sketch, torch.full((1, 4), 0.9)).tolist() == [[True, False, True, True]]
    assert worth(sketch, torch.full((1, 4), 0.5)).tolist() == [[True, False, False, True]]
