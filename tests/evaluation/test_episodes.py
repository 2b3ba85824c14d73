"""Which mask is the reference, which images are tests."""

import numpy as np
import pytest

from backend.evaluation.datasets import Dataset, LabelledImage, coins_dataset
from backend.evaluation.episodes import Episode, Search, Shares, episodes, median_instance, searches
from backend.evaluation.errors import DatasetError


def image(name: str, areas: dict[str, list[int]], *, group: str = "g") -> LabelledImage:
    """One image; an instance is a row of *area* pixels."""
    flat = [(label, area) for label, rows in areas.items() for area in rows]
    ids = np.zeros((len(flat) + 1, 500), dtype=np.int32)
    for number, (_, area) in enumerate(flat, start=1):
        ids[number, :area] = number
    classes = {number: label for number, (label, _) in enumerate(flat, start=1)}
    return LabelledImage(name, group, classes, lambda: np.zeros((*ids.shape, 3), np.uint8), lambda: ids)


def names(search: Search) -> tuple[str, list[tuple[str, str]], list[tuple[str, str]]]:
    """A search in words."""
    return search.image.name, [e.key for e in search.episodes], [e.key for e in search.judged]


def reference_names(episode: Episode) -> list[str]:
    """The images its references are in."""
    return [reference.image.name for reference in episode.references]


def test_the_reference_is_the_median_instance_of_those_that_are_not_tiny() -> None:
    """Of 70, 80, 90 and 100 px index 4 // 2 is the third; 63 px is left out."""
    assert median_instance(image("a", {"fig": [100, 63, 70, 90, 80]}), "fig") == 4
    assert median_instance(image("a", {"fig": [63]}), "fig") is None


def test_every_later_image_with_the_class_is_a_test_and_every_one_without_it_an_absence() -> None:
    dataset = Dataset(
        "d",
        tuple(image(n, {c: [100]}) for n, c in [("a", "date"), ("b", "fig"), ("c", "date"), ("d", "fig")]),
    )

    date, fig = episodes(dataset)

    assert (date.key, reference_names(date), reference_names(fig)) == (("g", "date"), ["a"], ["b"])
    assert [t.name for t in date.tests] == ["c"]
    assert [t.name for t in date.absences] == ["b", "d"]


def test_groups_do_not_mix() -> None:
    images = [image(n, {"cell": [100]}, group=g) for n, g in [("a", "x"), ("b", "y"), ("c", "x"), ("d", "y")]]

    found = episodes(Dataset("d", tuple(images)))

    assert [(e.key, reference_names(e), [t.name for t in e.tests]) for e in found] == [
        (("x", "cell"), ["a"], ["c"]),
        (("y", "cell"), ["b"], ["d"]),
    ]


def test_a_group_named_after_a_class_asks_for_that_class_only() -> None:
    """Scenes of one board with others beside it: the others are distractors."""
    images = [image(n, {"uno": [100], "due": [100]}, group="uno") for n in "ab"]

    assert [e.key for e in episodes(Dataset("d", tuple(images)))] == [("uno", "uno")]


def test_a_class_seen_once_has_no_episode() -> None:
    dataset = Dataset("d", (image("a", {"fig": [100]}), image("b", {"date": [100]})))

    with pytest.raises(DatasetError, match="no class is in two images"):
        episodes(dataset)


def test_coins_are_tested_on_the_reference_image() -> None:
    (episode,) = episodes(coins_dataset())

    assert episode.tests == (episode.references[0].image,)


def test_labels_compete_with_one_reference_each_and_are_judged_where_they_can_be() -> None:
    """Image b lacks fig, and is the only test of date; a is the reference image of both."""
    images = (
        image("a", {"date": [100], "fig": [100]}),
        image("b", {"date": [100]}),
        image("c", {"fig": [100]}),
    )
    both = [("g", "date"), ("g", "fig")]

    plan = searches(episodes(Dataset("d", images)), labels="all")

    assert [names(search) for search in plan] == [("b", both, both), ("c", both, both)]


def test_labels_of_other_groups_compete_too_and_the_own_group_goes_first() -> None:
    """Two groups share the label cell: each is searched with its own reference; board is only in y."""
    images = [image(n, {"cell": [100]}, group="x") for n in "ac"]
    images += [image(n, {"cell": [100], "board": [100]}, group="y") for n in "bd"]

    plan = searches(episodes(Dataset("d", tuple(images))), labels="all")

    assert names(plan[0]) == ("c", [("y", "board"), ("x", "cell")], [("y", "board"), ("x", "cell")])
    assert names(plan[1]) == ("d", [("y", "board"), ("y", "cell")], [("y", "board"), ("y", "cell")])


def test_solo_searches_one_label_at_a_time() -> None:
    images = tuple(image(n, {"date": [100], "fig": [100]}) for n in "ab")

    plan = searches(episodes(Dataset("d", images)), labels="solo")

    assert [names(search) for search in plan] == [
        ("b", [("g", "date")], [("g", "date")]),
        ("b", [("g", "fig")], [("g", "fig")]),
    ]


def test_the_limit_keeps_the_first_test_images_of_each_episode() -> None:
    images = tuple(image(n, {"fig": [100]}) for n in "abcd")

    found = episodes(Dataset("d", images), shares=Shares(limit=2))

    assert [t.name for t in found[0].tests] == ["b", "c"]


def test_each_of_the_first_images_gives_its_median_instance_as_a_reference() -> None:
    """Image b has one that is large enough, c none: it gives no reference, and is held out all the same."""
    areas = {"a": [70, 90, 80], "b": [63, 64], "c": [50], "d": [100], "e": [100]}
    images = tuple(image(n, {"fig": rows}) for n, rows in areas.items())

    (episode,) = episodes(Dataset("d", images), shares=Shares(references=3, hold_out=3))

    assert [(r.image.name, r.instance_id) for r in episode.references] == [("a", 3), ("b", 2)]
    assert [t.name for t in episode.tests] == ["d", "e"]


def test_one_reference_and_three_are_judged_on_the_same_images() -> None:
    images = tuple(image(n, {"fig": [100]}) for n in "abcde")

    (one,), (three,) = (
        episodes(Dataset("d", images), shares=Shares(references=count, hold_out=3)) for count in (1, 3)
    )

    assert (reference_names(one), reference_names(three)) == (["a"], ["a", "b", "c"])
    assert one.tests == three.tests == images[3:]


def test_however_many_references_one_image_is_left_to_be_tested() -> None:
    images = tuple(image(n, {"fig": [100]}) for n in "abc")

    (episode,) = episodes(Dataset("d", images), shares=Shares(references=5, hold_out=5))

    assert (reference_names(episode), episode.tests) == (["a", "b"], images[2:])


def test_boards_of_as_many_groups_as_labels_all_compete() -> None:
    """Each group is named after its class; an image is judged for its own board and those it lacks."""
    images = [
        image(f"{board}{n}", {board: [100]}, group=board) for board in ("due", "tre", "uno") for n in "12"
    ]

    plan = searches(episodes(Dataset("d", tuple(images))), labels="all")

    all_three = [("due", "due"), ("tre", "tre"), ("uno", "uno")]
    assert [names(search) for search in plan] == [
        (f"{n}2", all_three, all_three) for n in ("due", "tre", "uno")
    ]
