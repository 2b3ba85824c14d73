"""The semantic check: labels compete, what is sure tells about the rest, and parts of better masks go."""

import math
from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.candidate import Candidate, overlap
from backend.vision.check import (
    Claim,
    Exemplar,
    Sight,
    claims_of,
    closest_look,
    cut,
    different,
    fitting,
    in_company,
    judged,
    leads,
    look,
    measured,
    owners,
    surest,
    unchecked,
    unlooked,
)
from backend.vision.colour import HUE_BINS, LIGHTNESS_BINS
from backend.vision.evidence import FITTED, MOST_LEAD, Cues, EvidenceWeights, Weights, strictly
from backend.vision.parts import Part
from backend.vision.sam import ImageEmbedding, resized_size
from backend.vision.semantics import CropEncoder, SamSemantics, SemanticEncoder, Words
from backend.vision.views import View
from tests.vision.made_by_hand import (
    CELLS,
    DATE,
    FIG,
    GREY,
    OTHER,
    PLAIN,
    candidate,
    cues,
    exemplar,
    grey,
    prototype,
)

DATES, FIGS = exemplar("date", prototype(DATE)), exemplar("fig", prototype(FIG))
ANYWHERE = torch.ones(CELLS, CELLS)  # a location map that is high everywhere
NO_WEIGHT = Weights(**{field.name: 0.0 for field in fields(Weights)})


def between(thing: Tensor, other: Tensor, cosine: float) -> Tensor:
    """A unit vector with that cosine to *thing*; the rest of it is *other*."""
    return cosine * thing + math.sqrt(1 - cosine**2) * other


def sighted(
    vectors: Sequence[Tensor],
    *exemplars: Exemplar,
    found: Sequence[Candidate] | None = None,
    maps: dict[int, Tensor] | None = None,
    encoder: SemanticEncoder | None = None,
    layout: Tensor = PLAIN,
    without: Sequence[Part] = (),
) -> Sight | None:
    """Measure candidates by hand-made vectors; they are grey, of one layout, and overlap as drawn."""
    found = found or [candidate(columns=slice(4 * i, 4 * i + 4)) for i in range(len(vectors))]
    masks = torch.stack([one.mask for one in found])
    return measured(
        encoder or SamSemantics(),
        exemplars,
        dict.fromkeys(range(len(exemplars)), ANYWHERE) if maps is None else maps,
        found,
        grey(torch.stack(list(vectors)), layout=layout),
        overlap(masks, masks),
        without=without,
    )


def claimed(
    vectors: Sequence[Tensor],
    *exemplars: Exemplar,
    found: Sequence[Candidate] | None = None,
    maps: dict[int, Tensor] | None = None,
    least: float | None = None,
) -> list[Claim]:
    """Measure and judge."""
    sight = sighted(vectors, *exemplars, found=found, maps=maps)
    assert sight is not None
    ((_, evidence),) = judged([sight], exemplars, weights=FITTED)
    return claims_of(sight, exemplars, evidence, min_similarity=least)


def sight_of(
    seen: Cues, *, log_area: Sequence[float] | None = None, owner: Sequence[int] | None = None
) -> Sight:
    """Candidates that share nothing, with cues by hand; all of the first exemplar."""
    count = len(seen)
    return Sight(
        candidates=tuple(candidate() for _ in range(count)),
        owner=torch.tensor([0] * count if owner is None else owner),
        similarity=torch.full((count,), 0.9),
        log_area=torch.zeros(count) if log_area is None else torch.tensor(log_area),
        cues=seen,
        shared=torch.eye(count),
    )


def test_a_candidate_belongs_to_the_label_it_resembles_most() -> None:
    """Found by the search for dates, it is a fig."""
    (claim,) = claimed([between(FIG, DATE, 0.9)], DATES, FIGS)

    assert claim.candidate.finder == 0
    assert claim.label == "fig"
    assert claim.similarity == pytest.approx(0.9)


def test_the_lead_is_over_the_next_label_and_not_over_another_reference_of_the_same() -> None:
    """Columns: a date by 0.05; a fig by far; a date to which only another date comes close."""
    kinship = torch.tensor([[0.80, 0.1, 0.9], [0.70, 0.2, 0.89], [0.75, 0.9, 0.1]])
    owner = torch.tensor([0, 2, 0])

    assert leads(kinship, ["date", "date", "fig"], owner).tolist() == pytest.approx(
        [0.05, MOST_LEAD, MOST_LEAD]
    )
    assert leads(kinship[:2], ["date", "date"], owner * 0).tolist() == pytest.approx([MOST_LEAD] * 3)


def test_what_might_as_well_be_another_label_is_less_sure() -> None:
    """As like a date as the other; but the other is just as little a fig."""
    doubtful, sure = between(DATE, FIG, 0.72), between(DATE, OTHER, 0.72)

    claims = claimed([doubtful, sure], DATES, FIGS)

    confidence = {float(one.candidate.coverage[0, 0]): one.confidence for one in claims}
    assert [one.label for one in claims] == ["date", "date"]
    assert confidence[0] > confidence[1]


def test_likeness_is_one_for_the_thing_itself_and_none_for_its_ground() -> None:
    """The ground is at a cosine of 0.2."""
    vectors = torch.stack([DATE, between(DATE, OTHER, 0.2), between(DATE, OTHER, 0.6)])

    cosine, likeness, *_ = closest_look(prototype(DATE), grey(vectors))

    assert cosine.tolist() == pytest.approx([1, 0.2, 0.6])
    assert likeness.tolist() == pytest.approx([1, 0, 0.5], abs=1e-6)


def test_where_the_reference_is_weak_the_check_steps_back() -> None:
    """All is as like as the thing itself; the cosine is told all the same."""
    cosine, likeness, *_ = closest_look(prototype(DATE, weak=True), grey(OTHER[None]))

    assert (float(cosine[0]), float(likeness[0])) == (0, 1)


def test_a_strong_reference_takes_what_was_found_for_a_weak_one() -> None:
    """What is unlike both stays with the weak one; a fig is a fig."""
    weak = exemplar("nucleus", prototype(DATE, weak=True))

    claims = claimed([between(DATE, OTHER, 0.1), between(FIG, DATE, 0.9)], weak, FIGS)

    assert {float(one.candidate.coverage[0, 0]): one.label for one in claims} == {1: "nucleus", 0: "fig"}


def test_the_best_of_several_annotated_objects_counts() -> None:
    """Two dates were annotated, and they differ."""
    cosine, *_ = closest_look(prototype(DATE, FIG), grey(between(FIG, OTHER, 0.9)[None]))

    assert float(cosine[0]) == pytest.approx(0.9)


def test_a_label_does_not_win_by_the_number_of_its_references() -> None:
    """A little more like one fig of three than like the only date; and the other figs are nothing like it."""
    figs = [exemplar("fig", prototype(one)) for one in (FIG, OTHER, -OTHER)]
    thing = between(FIG, DATE, 0.72)

    many, one = sighted([thing], DATES, *figs), sighted([thing], DATES, figs[0])

    assert many is not None
    assert one is not None
    assert (many.owner.tolist(), one.owner.tolist()) == ([0], [1])


def test_of_two_labels_that_mean_the_same_colour_decides() -> None:
    """A grey thing; the first label's reference has the other colour."""
    green = exemplar("unripe", prototype(DATE, colours=GREY.flip(0)))
    grey = exemplar("ripe", prototype(DATE))

    (claim,) = claimed([DATE], green, grey)

    assert claim.label == "ripe"


def spot(row: int, column: int) -> Tensor:
    """A layout with all its L* in one cell."""
    layout = torch.zeros_like(PLAIN)
    layout[0, row, column] = 1
    return layout


def test_of_two_labels_that_mean_the_same_the_layout_decides() -> None:
    """The thing lies on its side; otherwise its colours are where the second label's are."""
    one, other = (
        exemplar(name, prototype(DATE, layout=spot(0, at))) for name, at in (("uno", 1), ("due", 2))
    )

    thing = torch.rot90(spot(0, 2), 1, (1, 2))

    seen = sighted([DATE], one, other, layout=thing)
    without = sighted([DATE], one, other, layout=thing, without=["layout"])

    assert seen is not None
    assert without is not None
    assert (seen.owner.tolist(), seen.cues.lead.tolist()) == ([1], [pytest.approx(MOST_LEAD)])
    assert without.cues.lead.tolist() == [0]


def test_a_layout_that_is_alike_by_chance_says_nothing() -> None:
    """A fifth of the thing lies where the second label's parts do, then half: that is the second's."""
    one, other = (
        exemplar(name, prototype(DATE, layout=spot(0, at))) for name, at in (("uno", 1), ("due", 2))
    )

    little, half = (sighted([DATE], one, other, layout=share * spot(0, 2)) for share in (0.2, 0.5))

    assert little is not None
    assert half is not None
    assert (little.owner.tolist(), little.cues.lead.tolist()) == ([0], [0])
    assert (half.owner.tolist(), half.cues.lead.tolist()) == ([1], [pytest.approx(MOST_LEAD)])


def test_of_two_labels_that_look_the_same_the_name_decides_where_the_encoder_reads() -> None:
    """The thing looks a little like what is called a fig."""
    texts = {"a photo of a date": DATE, "a photo of a fig": FIG, "a photo": OTHER}
    reader = CropEncoder(lambda pixels: pixels, words=Words(texts.__getitem__, scale=9.0))
    same = exemplar("date", prototype(DATE)), exemplar("fig", prototype(DATE))

    blind = sighted([between(DATE, FIG, 0.7)], *same)
    read = sighted([between(DATE, FIG, 0.7)], *same, encoder=reader)

    assert blind is not None
    assert read is not None
    assert (blind.owner.tolist(), read.owner.tolist()) == ([0], [1])


def test_what_belongs_to_a_label_that_is_searched_for_elsewhere_is_left_to_that() -> None:
    """Figs are searched for in tiles, this is the whole image; the date stays."""
    vectors = [between(DATE, FIG, 0.9), between(FIG, DATE, 0.9)]

    here = sighted(vectors, DATES, FIGS, maps={0: ANYWHERE})
    nothing = sighted(vectors[1:], DATES, FIGS, maps={0: ANYWHERE})

    assert here is not None
    assert here.owner.tolist() == [0]
    assert here.shared.shape == (1, 1)
    assert nothing is None


def test_a_fixed_threshold_replaces_the_evidence() -> None:
    """Lower than what the evidence asks for, and higher; a weak reference or a poor place do not matter."""
    poor = {0: ANYWHERE * 0.2}
    vectors = [between(DATE, OTHER, 0.3)]

    assert claimed(vectors, DATES, maps=poor) == []
    assert [one.similarity for one in claimed(vectors, DATES, maps=poor, least=0.25)] == pytest.approx([0.3])
    assert claimed([between(DATE, OTHER, 0.9)], DATES, least=0.95) == []
    assert claimed(vectors, exemplar("date", prototype(DATE, weak=True)), least=0.5) == []


def test_parts_of_better_masks_go() -> None:
    """The left half of a cell, the cell, and a neighbour that shares no pixel."""
    half = candidate(columns=slice(0, 2), iou=0.5)
    found = [half, candidate(), candidate(columns=slice(4, 8), iou=0.8)]

    claims = claimed([DATE] * 3, DATES, found=found)

    assert [one.candidate for one in claims] == found[1:]
    assert [one.confidence for one in claims] == sorted((one.confidence for one in claims), reverse=True)


def test_what_has_too_little_evidence_does_not_keep_others_out() -> None:
    """All three overlap; the least evidence is asked of each."""
    sight = replace(sight_of(cues([1.0, 1.0, 1.0])), shared=torch.ones(3, 3))

    assert sight.suppressed(torch.tensor([0.2, 0.5, 0.4]), least=0.3) == [1]
    assert sight.suppressed(torch.tensor([0.2, 0.1, 0.0]), least=0.3) == []


def test_masks_that_differ_by_a_rim_are_one_and_the_surer_stays() -> None:
    """Of 32 pixels the second lacks one; half of them are another mask, and all of it lies in the first."""
    whole = candidate(slice(0, 4), slice(0, 8), iou=0.8)
    rim = candidate(slice(0, 4), slice(0, 8), iou=0.9)
    rim.logits[0, 0] = -8
    half = candidate(slice(0, 4), slice(4, 8), iou=0.5)

    kept, shared = different([whole, half, rim])

    assert kept == [rim, half]
    assert torch.allclose(shared, torch.ones(2, 2))


def test_no_candidates_differ_in_nothing() -> None:
    kept, shared = different([])

    assert kept == []
    assert shared.shape == (0, 0)


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        (slice(1, 2), slice(0, 3), False),  # the left edge of the view is that of the image
        (slice(1, 2), slice(4, 8), True),  # the right one is not
        (slice(2, 4), slice(3, 5), True),  # nor the lower one; of 8 rows 4 show the image
        (slice(0, 1), slice(3, 5), False),
    ],
)
def test_what_an_edge_inside_the_image_cuts_is_left_to_another_view(
    rows: slice, columns: slice, expected: bool
) -> None:
    """The upper left 32 x 64 pixels of 50 x 100."""
    seen = ImageEmbedding(torch.zeros(2, CELLS, CELLS), (32, 64), resized_size(32, 64, 64), 64)
    corner = View(0, 0, (32, 64), (50, 100))
    alone = View(0, 0, (32, 64), (32, 64))

    assert cut(candidate(rows, columns), corner, seen) is expected
    assert not cut(candidate(rows, columns), alone, seen)


def test_what_no_label_could_be_by_place_and_size_is_not_looked_at() -> None:
    """One cell where the map is high; where it is low; and of a thing twenty times smaller or larger."""
    high = {0: torch.tensor([[1.0, -1.0], [1.0, 1.0]])}
    both = [candidate(), candidate(columns=slice(4, 8))]
    weights = replace(NO_WEIGHT, location=4.0, size=4.0)

    assert fitting(both, [DATES], high, weights) == [True, False]
    assert fitting(both[:1], [exemplar("date", prototype(cells=1 / 20))], high, weights) == [False]
    assert fitting(both[:1], [exemplar("date", prototype(cells=20))], high, weights) == [False]
    assert fitting([], [DATES], high, weights) == []


def test_one_label_that_it_could_be_is_enough() -> None:
    """No date is there; a fig may be."""
    weights = replace(NO_WEIGHT, location=9.0, bias=-4.0)

    assert fitting([candidate()], [DATES, FIGS], {0: ANYWHERE * 0, 1: ANYWHERE}, weights) == [True]
    assert fitting([candidate()], [DATES, FIGS], {0: ANYWHERE * 0, 1: ANYWHERE * 0}, weights) == [False]


def test_the_surest_are_noted_by_label_and_none_is_part_of_another() -> None:
    """The second lies in the first; the third is a fig; the fourth is not sure."""
    sight = sight_of(cues([1.0, 0.9, 0.8, 0.0]), log_area=[0.1, 0.2, 0.3, 0.4], owner=[0, 0, 1, 0])
    sight.shared[0, 1] = sight.shared[1, 0] = 1
    location_decides = replace(NO_WEIGHT, location=10.0, bias=-5.0)

    sure = surest([sight], ["date", "fig"], location_decides)

    assert [tuple(round(value, 3) for value in one) for one in sure["date"]] == [(0.1, 1.0)]
    assert [tuple(round(value, 3) for value in one) for one in sure["fig"]] == [(0.3, 0.8)]


def test_the_surest_of_all_views_are_company_for_each() -> None:
    """Tiles of one image show things of one size."""
    sights = [sight_of(cues([place])) for place in (1.0, 0.8)]

    sure = surest(sights, ["date"], replace(NO_WEIGHT, location=10.0, bias=-5.0))

    assert [round(place, 3) for _, place in sure["date"]] == [1.0, 0.8]


def test_the_size_to_expect_is_that_of_the_sure_ones_in_this_image() -> None:
    """Three are larger by 0.8 of a logarithm; the reference is a fourth, so that 0.6 is usual."""
    sight = sight_of(cues([1.0, 1.0]), log_area=[0.8, 0.0])

    seen = in_company(sight, ["date"], {"date": [(0.8, 1.0)] * 3})

    assert seen.size.tolist() == pytest.approx(strictly(torch.tensor([0.2, -0.6])).tolist())


def test_one_sure_thing_says_nothing_about_the_usual_size() -> None:
    """Its place is company all the same."""
    sight = sight_of(cues([0.9, 0.5]), log_area=[0.8, 0.0])

    seen = in_company(sight, ["date"], {"date": [(0.8, 0.9)]})

    assert torch.equal(seen.size, sight.cues.size)
    assert seen.company.tolist() == pytest.approx([0, -0.4])


def test_a_thing_may_be_as_large_as_any_reference_of_its_label() -> None:
    """It resembles the one of 1 cell, and has the 4 cells of the other."""
    small, large = exemplar("date", prototype(DATE)), exemplar("date", prototype(OTHER, cells=4))

    sight = sighted([DATE], small, large, found=[candidate(slice(0, 8), slice(0, 8))])

    assert sight is not None
    assert sight.owner.tolist() == [0]
    assert sight.cues.size.tolist() == [0]


def test_all_things_of_a_label_are_measured_by_its_references_together() -> None:
    """Two of 1 cell, each like another reference, are as large: half of 2, the mean of 1 and 4."""
    small, large = exemplar("date", prototype(DATE)), exemplar("date", prototype(OTHER, cells=4))

    sight = sighted([DATE, OTHER], small, large)

    assert sight is not None
    assert sight.owner.tolist() == [0, 1]
    assert sight.log_area.tolist() == pytest.approx([-math.log(2)] * 2)


def test_references_that_are_shown_larger_are_compared_by_their_share_of_the_image() -> None:
    """Of two tiles along a side, each shows 0.625 of it: 1 cell of the whole is 2.56 cells of a tile."""
    whole, tiles = exemplar("date", prototype(DATE)), exemplar("date", prototype(OTHER, cells=2.56, scale=2))

    sight = sighted([DATE], whole, tiles, maps={0: ANYWHERE})

    assert sight is not None
    assert sight.log_area.tolist() == pytest.approx([0], abs=1e-6)


def test_company_is_of_the_same_label() -> None:
    """Figs say nothing about dates."""
    sight = sight_of(cues([0.9, 0.5], company=[-0.1, -0.5]), log_area=[0.0, 0.8], owner=[0, 1])

    seen = in_company(sight, ["date", "fig"], {"fig": [(0.8, 0.7), (0.8, 0.7)]})

    assert seen.company.tolist() == pytest.approx([-0.1, -0.2])
    assert float(seen.size[0]) == float(sight.cues.size[0])


def test_a_thing_that_stands_out_as_little_as_the_others_of_its_image_gains_by_them() -> None:
    """The light is poor: all are at 0.5. Alone it would be doubtful."""
    labels = [DATES]
    alone, among = sight_of(cues([0.5], company=[-0.5])), sight_of(cues([0.5] * 4, company=[-0.5] * 4))
    weights = replace(FITTED, first=replace(NO_WEIGHT, location=1.0))  # sure of all

    ((_, doubtful),) = judged([alone], labels, weights=replace(weights, first=replace(NO_WEIGHT, bias=-9.0)))
    ((_, sure),) = judged([among], labels, weights=weights)

    assert float(sure[0]) > float(doubtful[0])


def red_and_blue() -> tuple[NDArray[np.uint8], ImageEmbedding, list[Candidate]]:
    """A red and a blue half of 32 x 64 pixels, each with a mask of two cells of 16 x 16."""
    image = np.zeros((32, 64, 3), dtype=np.uint8)
    image[:, :32, 0] = image[:, 32:, 2] = 255
    embedding = ImageEmbedding(torch.zeros(2, CELLS, CELLS), (32, 64), resized_size(32, 64, 64), 64)
    return image, embedding, [candidate(slice(0, 4), slice(4, 8)), candidate(slice(0, 4), slice(0, 4))]


def test_candidates_are_cut_from_the_image_and_compared() -> None:
    """To an encoder of colour only one half is a date; found for dates, the other resembles a fig."""
    image, embedding, found = red_and_blue()
    encoder = CropEncoder(lambda pixels: pixels + 1, input_size=8)
    red, blue = (
        torch.nn.functional.normalize(torch.tensor(one), dim=0) for one in ([2.0, 0, 0], [0.0, 0, 2])
    )
    no_colour = torch.zeros(LIGHTNESS_BINS * HUE_BINS**2)
    both = [
        exemplar("date", prototype(red, colours=no_colour)),
        exemplar("fig", prototype(blue, colours=no_colour)),
    ]
    whole = View(0, 0, (32, 64), (32, 64))

    sight = look(encoder, both, {0: ANYWHERE, 1: ANYWHERE}, found, whole, image, embedding, FITTED.first)

    assert sight is not None
    assert [bool(one.mask[0, 0]) for one in sight.candidates] == [False, True]
    assert sight.owner.tolist() == [1, 0]


def test_what_cannot_be_sure_beside_what_is_needs_no_look() -> None:
    """A mask shows a cell well, a bad one that and the next; a third, as bad, is elsewhere."""
    image, embedding, _ = red_and_blue()
    well = candidate(slice(0, 4), slice(0, 4))
    badly = candidate(slice(0, 4), slice(0, 8), iou=0.6)
    apart = candidate(slice(4, 8), slice(4, 8), iou=0.6)
    asked: list[int] = []

    def vectors(pixels: Tensor) -> Tensor:
        asked.append(len(pixels))
        return pixels * 0 + 1

    encoder = CropEncoder(vectors, input_size=8)
    grey = torch.nn.functional.normalize(torch.ones(3), dim=0)
    reference = exemplar("date", prototype(grey, colours=torch.zeros(LIGHTNESS_BINS * HUE_BINS**2)))
    whole, maps = View(0, 0, (32, 64), (32, 64)), {0: ANYWHERE}
    given = encoder, [reference], maps, [well, badly, apart], whole, image, embedding, FITTED.first

    every, some = look(*given), look(*given, every=False)

    assert every is not None
    assert some is not None
    assert len(every.candidates) == 3
    assert len(some.candidates) == 2
    assert asked == [3, 1, 1]
    kept = [i for i in range(3) if every.candidates[i].area != badly.area]
    torch.testing.assert_close(some.cues.table, every.cues.table[kept])


def test_nothing_plausible_is_nothing_to_look_at() -> None:
    """Finding nothing is normal, and costs no pass of the encoder."""
    image, embedding, found = red_and_blue()
    blind = CropEncoder(lambda _: pytest.fail("it was asked"), input_size=8)
    whole = View(0, 0, (32, 64), (32, 64))

    assert look(blind, [DATES], {0: ANYWHERE * -1}, found, whole, image, embedding, FITTED.first) is None
    assert look(blind, [DATES], {0: ANYWHERE}, [], whole, image, embedding, FITTED.first) is None
    assert unlooked([DATES], {0: ANYWHERE * -1}, found, whole, embedding, FITTED.first) is None


def test_unlooked_a_candidate_stays_with_the_label_it_was_found_for() -> None:
    """The better place is surer; its similarity is what the map says, where 1 is the thing."""
    _, embedding, _ = red_and_blue()
    found = [candidate(), candidate(columns=slice(4, 8), finder=1)]
    maps = {0: ANYWHERE * 0.9, 1: ANYWHERE * 0.6}

    sight = unlooked([DATES, FIGS], maps, found, View(0, 0, (32, 64), (32, 64)), embedding, FITTED.first)

    assert sight is not None
    assert sight.owner.tolist() == [0, 1]
    assert sight.similarity.tolist() == pytest.approx([0.9, 0.6])
    evidence = FITTED.first.evidence(sight.cues)
    assert float(evidence[0]) > float(evidence[1])


def test_without_the_check_a_candidate_of_the_loop_stays_with_its_search() -> None:
    """And its similarity is SAM's own; confidence is the mean of its parts."""
    similarities = torch.stack([ANYWHERE * 0.9, ANYWHERE * 0.7])

    (claim,) = unchecked(["date", "fig"], similarities, [candidate(finder=1)])

    assert claim.label == "fig"
    assert claim.similarity == pytest.approx(0.7)
    assert claim.confidence == pytest.approx((0.9 * 1.0 * 0.7) ** (1 / 3))


def test_a_place_that_is_unlike_the_target_is_not_sure_at_all() -> None:
    """No part makes up for another."""
    (claim,) = unchecked(["date"], ANYWHERE[None] * -0.2, [candidate()])

    assert claim.confidence == 0


def test_measurements_can_be_kept_without_the_masks() -> None:
    """All figures stay."""
    sight = sight_of(cues([1.0, 0.5]))

    light = sight.without_masks()

    assert light.candidates == ()
    assert light.cues is sight.cues


def test_a_label_s_reference_that_is_searched_for_here_keeps_what_another_of_it_resembles_more() -> None:
    """Exemplars 0 and 1 are dates, 2 a fig; 0 is searched for in other tiles only."""
    kinship = torch.tensor([[0.9, 0.2, 0.9], [0.7, 0.1, 0.7], [0.3, 0.8, 0.8]])

    assert owners(kinship, ["date", "date", "fig"], {1, 2}).tolist() == [1, 2, 1]
    assert owners(kinship, ["date", "date", "fig"], {2}).tolist() == [0, 2, 0]


def test_without_company_what_is_seen_first_decides() -> None:
    """Three sure ones twice the size of the reference would make the fourth, of its size, too small."""
    seen = sight_of(replace(cues([1.0] * 4), size=torch.zeros(4)), log_area=[0.7, 0.7, 0.7, 0.0])
    first = replace(NO_WEIGHT, size=1.0, bias=1.0)
    weights = EvidenceWeights(first, replace(first, size=5.0))

    ((_, among),) = judged([seen], [DATES], weights=weights)
    ((own, without),) = judged([seen], [DATES], weights=weights, without=["company"])

    assert float(among[3]) < float(among[0])
    assert torch.equal(without, first.evidence(seen.cues))
    assert own is seen.cues
