"""Which references are kept: the one shot, then what looks most unlike those that are kept."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.vision.coverage import chosen, kinship
from backend.vision.reference import Reference
from tests.vision.made_by_hand import prototype, reference


def seen(angle: float, label: str = "date") -> Reference:
    """A reference whose only look is a direction, in degrees."""
    radians = math.radians(angle)
    vector = torch.tensor([math.cos(radians), math.sin(radians), 0.0])
    one = reference(channels=2, ground=0.0, thing=1.0, label=label)
    return replace(one, whole=prototype(vector))


def test_different_looks_are_kept_and_not_the_same_again() -> None:
    """Ten degrees off says little; ninety says most, then forty-five."""
    references = [seen(0), seen(10), seen(90), seen(45)]

    assert chosen(references, 2) == (0, 2)
    assert chosen(references, 3) == (0, 2, 3)


def test_the_one_shot_stays_in_however_usual() -> None:
    """It lies in the middle of all others."""
    assert chosen([seen(45), seen(0), seen(90)], 1) == (0,)


def test_each_label_has_its_own_share() -> None:
    """The second reference is the first of figs."""
    references = [seen(0), seen(0, "fig"), seen(5), seen(80, "fig"), seen(60)]

    assert chosen(references, 2) == (0, 1, 3, 4)


@given(st.lists(st.tuples(st.floats(0, 180), st.sampled_from("ab")), max_size=8), st.integers(1, 9))
def test_no_label_has_more_than_the_limit_nor_less_than_it_could(
    drawn: list[tuple[float, str]], limit: int
) -> None:
    """Whatever they look like; none is taken twice, and the first of each label is there."""
    references = [seen(angle, label) for angle, label in drawn]

    kept = chosen(references, limit)

    assert list(kept) == sorted(set(kept))
    for label in "ab":
        mine = [i for i, one in enumerate(references) if one.label == label]
        assert sum(references[i].label == label for i in kept) == min(limit, len(mine))
        assert not mine or mine[0] in kept


def test_a_reference_is_most_alike_itself() -> None:
    """Also with several looks."""
    both = replace(seen(0), whole=prototype(torch.eye(3)[0], torch.eye(3)[1]))

    assert kinship(both, both) > kinship(both, seen(0)) == kinship(seen(0), both)


def test_no_reference_at_all_is_refused() -> None:
    """It would leave nothing to search by."""
    with pytest.raises(ValueError, match="at least 1"):
        chosen([seen(0)], 0)
