"""The warnings of the status page, word by word."""

from backend.jobs.warning_texts import limited_searches, passed_over, small_references, weak_references
from backend.labelstudio.label_config import Control
from backend.labelstudio.outputs import OutputOptions, region_plan


def test_without_a_weak_reference_there_is_no_warning() -> None:
    """Notes of an older version lack the word."""
    assert weak_references([{"label": "Coin", "weak": False}, {"label": "Nut"}]) == []


def test_one_weak_reference_is_named_with_what_helps() -> None:
    (warning,) = weak_references([{"label": "Coin", "weak": False}, {"label": "Nut", "weak": True}])

    assert warning == (
        "The reference of 'Nut' is weak: the semantic encoder cannot tell it from its background, so what is "
        "found rests on SAM's features alone. Paint another object, or one with more detail."
    )


def test_several_weak_references_share_one_warning() -> None:
    (warning,) = weak_references([{"label": label, "weak": True} for label in ("Coin", "Nut", "Bolt")])

    assert "The references of 'Coin', 'Nut' and 'Bolt' are weak" in warning
    assert "tell them from their background" in warning


def test_of_many_labels_some_are_named() -> None:
    (warning,) = weak_references([{"label": f"L{number}", "weak": True} for number in range(13)])

    assert "'L8', 'L9' and 3 more are weak" in warning


def test_without_a_stopped_search_there_is_no_warning() -> None:
    assert limited_searches(0, [{"limits": []}]) == []


def test_one_stopped_search_is_told_with_its_bound() -> None:
    (warning,) = limited_searches(1, [{"limits": []}, {"limits": ["it ended after 300 places."]}])

    assert warning == (
        "In 1 task a bound was reached, so things may be missing or joined: it ended after 300 places."
    )


POLYGONS = region_plan(
    {"Coin": 3},
    {"Coin": Control("brush", "photo", "image", ("Coin",))},
    [Control("outline", "photo", "image", ("Coin",), "polygon")],
    OutputOptions(max_regions=2),
).limit
ONE_MASK = region_plan(
    {"Coin": 3}, {"Coin": Control("brush", "photo", "image", ("Coin",))}, [], OutputOptions(max_regions=2)
).limit


def test_where_things_only_became_polygons_nothing_is_missing() -> None:
    assert limited_searches(2, [{"limits": [POLYGONS]}]) == [f"In 2 tasks a bound was reached: {POLYGONS}."]
    assert limited_searches(1, [{"limits": [ONE_MASK]}]) == [
        f"In 1 task a bound was reached, so things may be missing or joined: {ONE_MASK}."
    ]


def test_what_only_became_polygons_is_told_after_what_may_be_missing() -> None:
    """Though it is more frequent."""
    (warning,) = limited_searches(3, [{"limits": [POLYGONS]}, {"limits": [POLYGONS, "300 places"]}])

    assert warning == (
        "In 3 tasks a bound was reached, so things may be missing or joined: 300 places; or are only drawn "
        f"otherwise: {POLYGONS}."
    )


def test_of_many_bounds_the_most_frequent_are_told() -> None:
    tasks = [{"limits": ["a", "b"]}, {"limits": ["c", "b"]}, {"limits": ["b", "c"]}, {"limits": ["d"]}]

    (warning,) = limited_searches(512, tasks)

    assert warning.startswith("In 512 tasks")
    assert warning.endswith("joined: b; c; a.")


def test_annotations_that_were_passed_over_are_told_one_by_one_up_to_a_few() -> None:
    refusals = [f"annotation {number} of task 1: turned." for number in range(1, 6)]

    assert passed_over([], 0) == []
    assert passed_over(refusals[:1], 1) == ["Not used as a reference: annotation 1 of task 1: turned."]
    assert passed_over(refusals, 12)[3:] == ["Not used as a reference: 9 more annotations."]
    assert passed_over(refusals[:4], 4)[3:] == ["Not used as a reference: 1 more annotation."]


def test_objects_too_small_for_the_tiles_are_named_with_the_setting() -> None:
    """A note of an older version lacks the word."""
    notes = [
        {"label": "Coin", "small": False},
        {"label": "Nut", "small": True},
        {"label": "Bolt", "small": True},
    ]

    assert small_references(notes[:1]) == []
    (warning,) = small_references(notes)
    assert warning.startswith("The objects of 'Nut' and 'Bolt' are so small")
    assert "ONESHOT_MAX_TILES" in warning
