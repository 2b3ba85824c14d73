"""Learning from review, on drawn images with networks that see colours, and on candidates made by hand."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from backend.vision import asking, lessons
from backend.vision.asking import Taught, bearable, boxes_fit, compared, saving, toilsome, without_each
from backend.vision.box_regression import BoxRegression, Placed
from backend.vision.check import Sight
from backend.vision.evidence import FITTED
from backend.vision.inset import INSETS
from backend.vision.learned import Learned, Lesson
from backend.vision.learning import learn
from backend.vision.lessons import Judged, by_label, folds, image_numbers, taught, with_insets
from backend.vision.marked import NO_THING, Marked, MarkedView
from backend.vision.pipeline import Models, SearchOptions, find_instances
from backend.vision.reference import Reference, build_reference
from backend.vision.reviewed import Reviewed, looked_through
from backend.vision.sam import ImageEmbedding, MaskLogits
from tests.colour_sam import RED, ColourSam, box_mask, colour_models, drawn
from tests.vision.made_by_hand import cues

OPTIONS = SearchOptions()
THING = (2, 4, 24, 24)


def image_of(
    places: Sequence[float], things: Sequence[int], *, label: str = "date", count: int = 1
) -> Marked:
    """Candidates that differ in their place only, far apart."""
    seen = cues(list(places))
    number = len(places)
    sight = Sight(
        candidates=(),
        owner=torch.zeros(number, dtype=torch.int),
        similarity=torch.zeros(number),
        log_area=torch.zeros(number),
        cues=seen,
        shared=torch.eye(number),
    )
    shown = torch.tensor(things)
    ious = ious_of((shown != NO_THING).float())
    return Marked({label: count}, (MarkedView(sight, seen, (label,) * number, shown, ious, ious),))


def ious_of(ious: Sequence[float] | Tensor, *moved: Sequence[float]) -> Tensor:
    """IoU of outlines where they are, and *moved* by the insets in turn, (i, n); else the same."""
    rows = [torch.as_tensor(one) for one in (ious, *moved)]
    return torch.stack([*rows, *[rows[0]] * (len(INSETS) - len(rows))])


SURE, DOUBTFUL = 1.5, 0.6  # the shipped weights accept both


def with_false_ones(images: int) -> list[Marked]:
    """What lies in a doubtful place was never right."""
    return [image_of([SURE] + [DOUBTFUL] * 30, [0] + [NO_THING] * 30) for _ in range(images)]


def test_mistakes_are_what_is_missed_and_what_is_false() -> None:
    """Of three things one is found, twice; one candidate shows nothing; another label has none of them."""
    image = image_of([SURE, SURE, DOUBTFUL], [0, 0, NO_THING], count=3)

    assert image.mistakes("date", Lesson(FITTED.second)) == 2 + 1
    assert image.mistakes("fig", Lesson(FITTED.second)) == 0


def test_what_people_delete_again_and_again_is_not_accepted_any_more() -> None:
    """Thirty false ones an image go, the right ones stay."""
    images = with_false_ones(4)

    lesson = taught(images, ["date"], OPTIONS)

    assert lesson is not None
    assert lesson.taste is None  # nothing was looked at
    assert [image.mistakes("date", Lesson(FITTED.second)) for image in images] == [30] * 4
    assert [image.mistakes("date", lesson) for image in images] == [0] * 4


@pytest.mark.parametrize(
    ("labels", "after", "learned"),
    [(["date", "fig"], 2, False), (["date", "fig"], 1, True), (["date"], 7, True), (["date"], 8, False)],
)
def test_what_labels_teach_each_other_must_surely_save_mistakes(
    labels: list[str], after: int, learned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of eight, two standard deviations; five boards taught what spared four of nine, and cost six others."""
    monkeypatch.setattr(lessons, "tried", lambda *_: (8, after))

    assert (taught(with_false_ones(4), labels, OPTIONS) is not None) is learned


def test_one_image_teaches_nothing() -> None:
    """There is no other to try it on."""
    assert taught(with_false_ones(1), ["date"], OPTIONS) is None


def test_what_would_have_saved_nothing_on_the_images_themselves_is_not_kept() -> None:
    """What is doubtful is false in one image and right in the other: neither teaches the other anything."""
    images = [
        image_of([SURE] + [DOUBTFUL] * 30, [0] + [NO_THING] * 30),
        image_of([SURE] + [DOUBTFUL] * 30, list(range(31)), count=31),
    ]

    assert taught(images, ["date"], OPTIONS) is None


def test_one_image_that_two_people_reviewed_teaches_nothing() -> None:
    """What one of them left would be tried on what the other one left of the same."""
    twice = [replace(image, image_id="same") for image in with_false_ones(2)]

    assert taught(twice, ["date"], OPTIONS) is None
    assert taught([*twice, *with_false_ones(1)], ["date"], OPTIONS) is not None


def test_reviews_of_one_image_share_its_fold() -> None:
    """Each other image has the fold that it has without them."""
    images = [replace(image_of([SURE], [0]), image_id=name) for name in "abacdefbg"]

    assert image_numbers(images) == [0, 1, 0, 2, 3, 4, 5, 1, 6]
    assert folds(image_numbers(images)) == [[0, 2, 6], [1, 7, 8], [3], [4], [5]]
    assert image_numbers(with_false_ones(3)) == [0, 1, 2]


def shown(models: Models, *boxes: tuple[int, int, int, int]) -> Reference:
    """One shot of red boxes."""
    image = drawn(*((*box, RED) for box in boxes))
    return build_reference(
        models.sam, models.semantic, image, [box_mask(*box) for box in boxes], label="date"
    )


def test_a_reference_is_not_asked_about_its_own_image() -> None:
    """With no other left, the image teaches nothing."""
    models = colour_models()
    image = Reviewed(drawn((*THING, RED)), {"date": (box_mask(*THING),)}, own=frozenset({0}))

    assert looked_through(models, [shown(models, THING)], image, OPTIONS) is None


def test_only_the_labels_that_are_looked_for_in_an_image_teach_and_compete() -> None:
    """Both references show the same; the one of the other label would claim what the first one does."""
    models = colour_models()
    references = [shown(models, THING), replace(shown(models, THING), label="fig")]
    image = Reviewed(drawn((*THING, RED)), {"date": (box_mask(*THING),)}, labels=frozenset({"date"}))

    found = looked_through(models, references, image, OPTIONS)

    assert found is not None
    assert found.counts == {"date": 1}
    assert {label for view in found.views for label in view.labels} == {"date"}
    assert looked_through(models, references[1:], image, OPTIONS) is None


def test_candidates_of_a_reviewed_image_know_their_thing() -> None:
    """The red box is the thing with number 1; the first one marked is nowhere to be seen."""
    models = colour_models()
    masks = (box_mask(30, 0, 4, 4), box_mask(*THING), box_mask(0, 0, 0, 0))

    found = looked_through(
        models, [shown(models, THING)], Reviewed(drawn((*THING, RED)), {"date": masks}), OPTIONS
    )

    assert found is not None
    assert found.counts == {"date": 2}  # an empty mask is no thing
    assert 1 in found.views[0].things.tolist()
    assert found.mistakes("date", Lesson(FITTED.second)) == 1


def test_learning_from_nothing_changes_nothing() -> None:
    """Neither without images nor with images that were right already."""
    models = colour_models()
    references = [shown(models, THING)]
    right = Reviewed(drawn((*THING, RED)), {"date": (box_mask(*THING),)})

    assert learn(models, references, [], options=OPTIONS) == Learned()
    assert learn(models, references, [right, right], options=OPTIONS) == Learned()


def test_learned_weights_decide_in_the_search() -> None:
    """A lesson that rejects everything leaves nothing; what was rejected may have been missed."""
    models = colour_models()
    references, image = [shown(models, THING)], drawn((*THING, RED))
    never = Learned({"date": Lesson(replace(FITTED.second, bias=-30.0))})
    others = Learned({"fig": Lesson(replace(FITTED.second, bias=-30.0))})

    before, with_others, after = (
        find_instances(models, references, image, options=OPTIONS, learned=learned)
        for learned in (Learned(), others, never)
    )

    assert len(before.instances) == len(with_others.instances) == 1
    assert after.instances == ()
    assert 0 <= after.missed < 1e-6 <= before.instances[0].confidence


def looked_at(*vectors: tuple[float, ...], things: Sequence[int]) -> Marked:
    """Candidates in one place that differ in their looks only."""
    image = image_of([SURE] * len(vectors), things, count=len(things) - list(things).count(NO_THING))
    (view,) = image.views
    seen = replace(view, sight=replace(view.sight, vectors=torch.tensor(vectors)))
    return replace(image, views=(seen,))


def test_look_alikes_that_people_delete_are_told_by_their_looks() -> None:
    """Nothing else differs: with half of the candidates false, no other weight could help."""
    ripe, rotten = (0.9, 0.1, 0.0), (0.9, -0.1, 0.0)
    images = [looked_at(*[ripe] * 5, *[rotten] * 5, things=[*range(5), *[NO_THING] * 5]) for _ in range(3)]

    lesson = taught(images, ["date"], OPTIONS)

    assert lesson is not None
    assert lesson.taste is not None
    assert lesson.taste.weight > 0
    assert [image.mistakes("date", Lesson(FITTED.second)) for image in images] == [5] * 3
    assert [image.mistakes("date", lesson) for image in images] == [0] * 3


def test_a_loose_outline_is_work_too() -> None:
    """One is found well, one is found loosely, one loosely and well."""
    image = image_of([SURE] * 4, [0, 1, 2, 2], count=3)
    (view,) = image.views
    view = replace(view, ious=ious_of([0.9, 0.9, 0.6, 0.9]), redrawn=ious_of([0.9, 0.6, 0.6, 0.9]))
    image = replace(image, views=(view,))

    assert image.mistakes("date", Lesson(FITTED.second)) == 1
    assert image.mistakes("date", Lesson(FITTED.second, redrawn=False)) == 0
    assert view.rightness(Lesson(FITTED.second)).tolist() == pytest.approx([1.0, 0.6, 0.6, 1.0])
    left_alone = Lesson(FITTED.second, redrawn=False)
    assert view.rightness(left_alone).tolist() == pytest.approx([1.0, 1.0, 0.6, 1.0])


def test_outlines_are_left_as_they_are_where_people_mend_fewer_of_them() -> None:
    """Drawn once more, what lay well lies loosely; the other way round nothing is learned."""
    well, loosely = ious_of([0.9] * 5), ious_of([0.6] * 5)
    image = image_of([SURE] * 5, range(5), count=5)
    (view,) = image.views
    worse = replace(image, views=(replace(view, ious=well, redrawn=loosely),))
    better = replace(image, views=(replace(view, ious=loosely, redrawn=well),))

    lesson = taught([worse] * 3, ["date"], OPTIONS)

    assert lesson == Lesson(FITTED.second, redrawn=False)
    assert taught([better] * 3, ["date"], OPTIONS) is None


def test_outlines_are_moved_where_people_draw_them_further_in() -> None:
    """Where they are they lie loosely; half a pixel further in they lie well, further out no better."""
    inwards, outwards = [0.9] * 5, [0.5] * 5
    moved = ious_of([0.6] * 5, inwards, outwards)
    image = image_of([SURE] * 5, range(5), count=5)
    image = replace(image, views=(replace(image.views[0], ious=moved, redrawn=moved),))

    assert with_insets([image] * 3, ["date"], {}, OPTIONS) == {"date": Lesson(FITTED.second, inset=0.5)}
    assert image.mistakes("date", Lesson(FITTED.second)) == 5
    assert image.mistakes("date", Lesson(FITTED.second, inset=0.5)) == 0


def test_outlines_stay_where_moving_them_saves_no_work() -> None:
    """A better outline that nobody would have mended teaches nothing."""
    moved = ious_of([0.85] * 5, [0.95] * 5)
    image = image_of([SURE] * 5, range(5), count=5)
    image = replace(image, views=(replace(image.views[0], ious=moved, redrawn=moved),))

    assert with_insets([image] * 3, ["date"], {}, OPTIONS) == {}


def test_outlines_are_moved_besides_what_else_was_learned() -> None:
    """As they are found they lie loosely where they are, redrawn well; only the former are moved."""
    image = image_of([SURE] * 5, range(5), count=5)
    loosely, well = ious_of([0.6] * 5, [0.9] * 5), ious_of([0.9] * 5, [0.6] * 5)
    image = replace(image, views=(replace(image.views[0], ious=loosely, redrawn=well),))
    left_alone, plain = Lesson(FITTED.second, redrawn=False), Lesson(FITTED.second)

    assert with_insets([image] * 2, ["date"], {"date": plain}, OPTIONS) == {"date": plain}
    assert with_insets([image] * 2, ["date"], {"date": left_alone}, OPTIONS) == {
        "date": replace(left_alone, inset=0.5)
    }


@pytest.mark.parametrize(
    ("better", "worse", "inset"), [(4, 0, 0.5), (3, 0, None), (8, 1, 0.5), (5, 1, None), (0, 5, None)]
)
def test_outlines_are_moved_where_that_is_surely_better(better: int, worse: int, inset: float | None) -> None:
    """In standard deviations, of one image: 4 / 2, 3 / 1.7, 7 / 3, 4 / 2.4; two and more are sure."""
    things = better + worse
    moved = ious_of([0.6] * better + [0.9] * worse, [0.9] * better + [0.6] * worse, [0.6] * things)
    image = image_of([SURE] * things, range(things), count=things)
    image = replace(image, views=(replace(image.views[0], ious=moved, redrawn=moved),))

    learned = with_insets([image], ["date"], {}, OPTIONS)

    assert learned == ({} if inset is None else {"date": Lesson(FITTED.second, inset=inset)})


def test_a_lesson_says_which_outlines_are_drawn_once_more() -> None:
    """Those of labels without a lesson always are."""
    learned = Learned({"date": Lesson(FITTED.second, redrawn=False), "fig": Lesson(FITTED.second)})

    assert [learned.redraws(label) for label in ("date", "fig", "nut")] == [False, True, True]


class NarrowSam(ColourSam):
    """Segments what is of one colour; the more a prompt adds up to, the more it takes of what is around."""

    def decode(self, embedding: ImageEmbedding, *, shift: Tensor | None = None, **prompts: Any) -> MaskLogits:
        """As without a shift, and what is up to three pixels beside."""
        answer = super().decode(embedding, **prompts)
        if shift is None:
            return answer
        drawn_wider = max_pool2d(answer.logits[0], 7, stride=1, padding=3)[None] > 0
        beside = (drawn_wider & (answer.logits < 0)).float()
        return replace(answer, logits=answer.logits + beside * 50 * shift.sum())


def wide(top: int, left: int) -> Reviewed:
    """A red box, of which people say that the three pixels around belong to it."""
    return Reviewed(drawn((top, left, 18, 18, RED)), {"date": (box_mask(top - 3, left - 3, 24, 24),)})


def test_a_prompt_is_tuned_where_points_bring_out_something_else() -> None:
    """People mark more than SAM takes: IoU 0.56. What was learned holds for an image nobody has reviewed."""
    models = Models(NarrowSam(), colour_models().semantic)
    image, (mask,) = wide(8, 8).image, wide(8, 8).masks["date"]
    references = [build_reference(models.sam, models.semantic, image, [mask], label="date")]
    steps: list[None] = []

    learned = learn(
        *(models, references, [wide(5, 5), wide(12, 30), wide(6, 40)]),
        options=OPTIONS,
        step=lambda: steps.append(None),
    )
    before, after = (
        find_instances(models, references, wide(9, 20).image, learned=lesson).instances
        for lesson in (Learned(), learned)
    )

    assert learned.lessons["date"].prompt is not None
    assert len(steps) > len("one each image")  # whoever waits is told that the work goes on
    assert [int(one.mask.sum()) for one in before] == [18 * 18]
    assert [one.mask.tolist() for one in after] == [wide(9, 20).masks["date"][0].tolist()]


class BoxedSam(ColourSam):
    """Segments what is of one colour; where no box says how large it is, six pixels more on all sides."""

    def decode(self, embedding: ImageEmbedding, **prompts: Any) -> MaskLogits:
        """As ever around the middle of a box."""
        answer = super().decode(embedding, **prompts)
        if prompts.get("points_xy") is None or prompts.get("boxes_xyxy") is not None:
            return answer
        return replace(answer, logits=max_pool2d(answer.logits[0], 13, stride=1, padding=6)[None])


def test_boxes_are_learned_where_points_bring_out_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """30 x 30 pixels where people mark 18 x 18: IoU 0.36. The same for an image nobody has reviewed."""
    monkeypatch.setattr(asking, "ENOUGH_RIGHT", 0)  # colours say nothing of where, but in a thing's middle
    models = Models(BoxedSam(), colour_models().semantic)

    def red(top: int, left: int) -> Reviewed:
        return Reviewed(drawn((top, left, 18, 18, RED)), {"date": (box_mask(top, left, 18, 18),)})

    references = [
        build_reference(models.sam, models.semantic, red(8, 8).image, red(8, 8).masks["date"], label="date")
    ]

    reviewed = [red(5, 5), red(12, 30), red(6, 40), red(14, 12)]
    learned = learn(models, references, reviewed, options=OPTIONS)
    before, after = (
        find_instances(models, references, red(9, 20).image, learned=lesson).instances
        for lesson in (Learned(), learned)
    )

    assert learned.lessons["date"].boxes is not None
    assert learned.lessons["date"].prompt is None
    assert [int(one.mask.sum()) for one in before] != [18 * 18]
    assert [one.mask.tolist() for one in after] == [red(9, 20).masks["date"][0].tolist()]


class LooseSam(ColourSam):
    """Draws what was found as it is; the more a prompt adds up to, the more it takes of what is around it."""

    def decode(self, embedding: ImageEmbedding, *, shift: Tensor | None = None, **prompts: Any) -> MaskLogits:
        """Without a shift, and at points, as it is; else with what is a pixel beside."""
        answer = super().decode(embedding, **prompts)
        if shift is None:
            return answer
        drawn_wider = max_pool2d(answer.logits[0], 3, stride=1, padding=1)[None] > 0
        beside = (drawn_wider & (answer.logits < 0)).float()
        told = shift.sum() * (0.0 if "points_xy" in prompts else 50.0)
        return replace(answer, logits=answer.logits + beside * told)


def test_outlines_are_drawn_as_people_mend_them() -> None:
    """Of 21 x 21 pixels SAM finds 18 x 18: IoU 0.73. Drawn as corrected images taught it is 0.91."""
    models = Models(LooseSam(), colour_models().semantic)

    def marked_around(top: int, left: int) -> Reviewed:
        mask = box_mask(top - 1, left - 1, 21, 21)
        return Reviewed(drawn((top, left, 18, 18, RED)), {"date": (mask,)})

    image, (mask,) = marked_around(8, 8).image, marked_around(8, 8).masks["date"]
    references = [build_reference(models.sam, models.semantic, image, [mask], label="date")]
    reviews = [marked_around(5, 5), marked_around(12, 30), marked_around(6, 40)]

    learned = learn(models, references, reviews, options=OPTIONS)
    (found,) = find_instances(models, references, marked_around(9, 20).image, learned=learned).instances

    assert learned.lessons["date"].prompt is None
    assert learned.lessons["date"].outline is not None
    assert found.mask.tolist() == box_mask(8, 19, 20, 20).tolist()


def judged(images: Mapping[Hashable, Marked]) -> dict[str, Judged]:
    """Of all of their labels."""
    return by_label(list(images.values()), ["date", "fig"], OPTIONS, lambda: None)


def test_a_prompt_is_judged_on_the_images_that_were_searched_with_and_without_it() -> None:
    """One image could not be read the second time: that nothing was mended in it is no saving."""
    before: dict[Hashable, Marked] = dict.fromkeys("abc", with_false_ones(1)[0])
    after: dict[Hashable, Marked] = dict.fromkeys("ab", with_false_ones(1)[0])

    assert saving(*compared(before, after, judged(before), OPTIONS, lambda: None), ["date"]) == {}


def test_images_that_are_all_there_again_are_not_judged_twice_without_the_prompt() -> None:
    """That takes a core ten seconds a label, with many images."""
    before: dict[Hashable, Marked] = dict.fromkeys("ab", with_false_ones(1)[0])
    judging: list[None] = []

    compared(before, before, judged(before), OPTIONS, lambda: judging.append(None))

    assert len(judging) == len(["date"])


def test_no_prompt_is_kept_by_which_other_labels_lose_more() -> None:
    """Dates: two missed less in all. Figs: six missed more."""

    def image(dates: int, figs: int) -> Marked:
        found = [image_of([SURE] * 5, range(5), label=label, count=5) for label in ("date", "fig")]
        views = tuple(one.views[0] for one in found)
        return Marked({"date": 5 + dates, "fig": 5 + figs}, views)

    before, after, harmless = (
        dict[Hashable, Marked](dict.fromkeys("ab", image(dates, figs)))
        for dates, figs in ((1, 0), (0, 3), (0, 0))
    )

    assert saving(judged(before), judged(after), ["date"]) == {}
    assert list(saving(*compared(before, harmless, judged(before), OPTIONS, lambda: None), ["date"])) == [
        "date"
    ]


def test_what_saves_a_single_mistake_is_chance() -> None:
    """Of 43 mistakes one less, or two."""
    plain = Lesson(FITTED.second)
    before, one_less, two_less = ({"date": (mistakes, plain)} for mistakes in (43, 42, 41))

    assert saving(before, one_less, ["date"]) == {}
    assert saving(before, two_less, ["date"]) == {"date": plain}


@pytest.mark.parametrize(("after", "kept"), [(35, True), (45, True), (46, False), (109, False)])
def test_boxes_are_borne_unless_they_surely_cost_work(after: int, kept: bool) -> None:
    """Of 36 mistakes: 9 more are the square root of both counts' sum, 10 more are more than that."""
    plain = Lesson(FITTED.second)

    found = bearable({"date": (36, plain)}, {"date": (after, plain)}, ["date"])

    assert list(found) == (["date"] if kept else [])


def test_boxes_are_not_borne_where_all_labels_together_surely_lose() -> None:
    """Dates lose 6 of 36, which may be chance; with the figs, which lose 30 of 70, all lose 36 of 106."""
    plain = Lesson(FITTED.second)
    before, after = {"date": (36, plain), "fig": (70, plain)}, {"date": (42, plain), "fig": (100, plain)}

    assert bearable(before, after, ["date"]) == {}


def square(side: float) -> Placed:
    """A thing whose only cell is its middle."""
    return Placed(torch.zeros(1, 1), torch.tensor([[0.0, 0.0, math.log(side)]]))


@pytest.mark.parametrize(("others", "large", "fit"), [(3, 3, True), (3, 4, False), (2, 3, False)])
def test_boxes_fit_where_enough_things_of_every_image_have_the_right_one(
    others: int, large: int, fit: bool
) -> None:
    """Sides of 4 were learned. Of the last of four images' five, those of 12 have a ninth of their box.

    Three images do not tell how much sizes differ.
    """
    boxes = BoxRegression((0.0, 0.0), (0.0, 0.0), (0.0, math.log(4)))
    sides = [[4.0] * 5] * others + [[12.0] * large + [4.0] * (5 - large)]
    images = [
        Taught(
            replace(image_of([SURE], [0]), image_id=number),
            {"date": [square(side) for side in some]},
        )
        for number, some in enumerate(sides)
    ]
    lessons = [Lesson(FITTED.second, boxes=boxes)] * len(sides)

    assert boxes_fit(images, "date", lessons) is fit


def test_boxes_do_not_fit_where_others_taught_none() -> None:
    """Nor where no view shows a thing whole, in any image: there is nothing to learn them from."""
    images = [Taught(replace(image_of([SURE], [0]), image_id=n), {"date": [square(4)] * n}) for n in range(5)]

    assert not boxes_fit(images, "date", [Lesson(FITTED.second)] * 5)
    assert not boxes_fit(images[:1], "date", [Lesson(FITTED.second)])


def test_examples_are_kept_only_where_they_are_wanted() -> None:
    """Copies: what they were taken from can go. A thing at the edge of the view is none that was found."""
    models = colour_models()
    image = Reviewed(drawn((*THING, RED)), {"date": (box_mask(*THING), box_mask(30, 50, 8, 8))})
    references = [shown(models, THING)]

    plain = looked_through(models, references, image, OPTIONS)
    kept = looked_through(models, references, image, OPTIONS, examples=True)

    assert plain is not None
    assert kept is not None
    assert (plain.pointed, plain.outlined) == ({}, {})
    assert [len(one["date"]) for one in (kept.pointed, kept.outlined)] == [2, 1]
    (found,) = kept.outlined["date"]
    assert torch.equal(found.logits > 0, found.mask)
    assert all("cells" not in vars(one.embedding) for one in kept.pointed["date"])


def test_a_prompt_is_tried_on_no_image_that_tuned_it() -> None:
    """Two people reviewed the first image: nothing but the second can tune what is tried on it."""
    models = Models(NarrowSam(), colour_models().semantic)
    first, second = (
        looked_through(models, [shown(models, THING)], review, OPTIONS, examples=True)
        for review in (
            Reviewed(drawn((*THING, RED)), {"date": (box_mask(*THING),)}, image_id="first"),
            Reviewed(drawn((*THING, RED)), {}, image_id="second"),
        )
    )
    assert first is not None
    assert second is not None

    taught = [Taught(one, {}) for one in (first, first, second)]

    for_first, for_second = without_each(models.sam, taught, "date", "prompt", OPTIONS, lambda: None)

    assert for_first.prompt is None  # the second has no examples
    assert len(for_second.prompt or ()) == models.sam.channels


@pytest.mark.parametrize(("mended", "labels"), [(2, []), (3, ["date"])])
def test_two_mistakes_are_not_worth_learning_to_ask_otherwise(mended: int, labels: list[str]) -> None:
    """Of ten things: a prompt that spared both figs of sixteen cost three on other images."""
    images = [image_of([SURE], [0], count=5) for _ in range(2)]

    assert toilsome(images, {"date": (mended, Lesson(FITTED.second))}) == labels


def test_no_prompt_is_tuned_where_next_to_nothing_is_mended() -> None:
    """It takes a while; and one image is not enough to try it on another."""
    models = Models(NarrowSam(), colour_models().semantic)
    right = Reviewed(drawn((*THING, RED)), {"date": (box_mask(*THING),)})
    steps: list[None] = []

    learn(models, [shown(models, THING)], [right] * 3, options=OPTIONS, step=lambda: steps.append(None))
    learn(models, [shown(models, THING)], [wide(8, 8)], options=OPTIONS, step=lambda: steps.append(None))

    assert len(steps) == 2 * (3 + 1) + 1  # images and their views, and the label that is in enough of them
