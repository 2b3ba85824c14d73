"""Linear layers of 8 bits say what others say, but for rounding, and never go round."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from backend.checkpoints import int8
from backend.checkpoints.fused import linear, perceptron
from backend.checkpoints.int8 import LEVELS, Int8Linear, make_int8, rounded, usable_levels

CODE = "from backend.checkpoints.int8 import usable_levels; print(usable_levels())"


def layer(inputs: int = 24, outputs: int = 10) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(inputs, outputs).requires_grad_(requires_grad=False)


@pytest.mark.parametrize("levels", [one for one in LEVELS if one <= usable_levels()])
def test_a_layer_with_gelu_or_a_sum_is_torchs_own_but_for_rounding(levels: int) -> None:
    """What is added stays as it is: it is what came in, and is wanted again."""
    plain, features, other = layer(), torch.randn(2, 3, 5, 24), torch.randn(2, 3, 5, 10)
    short, before = Int8Linear(plain, levels=levels), other.clone()

    answers = (
        linear(features, short),
        linear(features, short, gelu=True),
        linear(features, short, added=other),
    )

    expected = plain(features)
    for answer, right in zip(answers, (expected, F.gelu(expected), expected + other), strict=True):
        torch.testing.assert_close(answer, right, rtol=0, atol=6 / levels)
    assert torch.equal(other, before)


@pytest.mark.parametrize("levels", [one for one in LEVELS if one <= usable_levels()])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_perceptron_in_whole_numbers_is_torchs_own_but_for_rounding(
    levels: int, dtype: torch.dtype
) -> None:
    """What is added stays as it is, and what comes out are floats of its kind."""
    first, second = layer(24, 40), layer(40, 24)
    features, other = torch.randn(2, 35, 24).to(dtype), torch.randn(2, 35, 24).to(dtype)
    before = other.clone()

    answer = perceptron(
        features, Int8Linear(first, levels=levels), Int8Linear(second, levels=levels), added=other
    )

    expected = second(F.gelu(first(features.float()))) + other.float()
    assert answer.dtype is dtype
    torch.testing.assert_close(answer.float(), expected, rtol=0.01, atol=6 / levels)
    assert torch.equal(other, before)


def test_a_token_larger_than_all_that_were_looked_at_is_not_cut_off() -> None:
    """Every sixteenth is looked at: the second is a hundred times as large as they are."""
    first, second = layer(24, 40), layer(40, 24)
    features = torch.randn(32, 24)
    features[1] *= 100

    answer = perceptron(features, Int8Linear(first), Int8Linear(second), added=torch.zeros(32, 24))

    expected = second(F.gelu(first(features)))
    assert float(expected[1].abs().max()) > 10
    torch.testing.assert_close(answer[1], expected[1], rtol=0, atol=0.05 * float(expected[1].abs().max()))


def test_nothing_but_zeros_goes_through_a_perceptron() -> None:
    """Where GELU makes all of it nothing, too."""
    first, second = layer(24, 40), layer(40, 24)
    torch.nn.init.constant_(first.bias, -20)

    answer = perceptron(torch.zeros(3, 24), Int8Linear(first), Int8Linear(second), added=torch.zeros(3, 24))

    torch.testing.assert_close(answer, second.bias.expand(3, -1), rtol=0, atol=0.01)


def test_a_single_vector_is_a_row_of_many() -> None:
    plain, vector = layer(), torch.linspace(-1, 3, 24)

    assert torch.equal(linear(vector, Int8Linear(plain)), linear(vector[None], Int8Linear(plain))[0])


@pytest.mark.parametrize("levels", LEVELS)
@given(values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=40))
def test_numbers_are_within_the_levels_and_worth_what_they_stand_for(
    levels: int, values: list[float]
) -> None:
    """One too large would be the least of all: 256 is 0 in 8 bits."""
    features = torch.tensor([values])

    numbers, scale, zero = rounded(features, levels)

    assert int(numbers.max()) < levels
    assert 0 <= zero < levels
    step = max(2 * float(features.abs().max()) / levels, 1e-29)
    torch.testing.assert_close((numbers.float() - zero) * scale, features, rtol=0, atol=step)


def test_zeros_stay_zeros() -> None:
    numbers, scale, zero = rounded(torch.zeros(2, 3), 256)

    assert ((numbers.float() - zero) * scale).tolist() == [[0, 0, 0]] * 2


def test_all_linear_layers_of_a_network_and_nothing_else_become_int8() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ModuleDict({"inner": layer()}), layer())

    make_int8(network)

    kinds = [type(part) for part in network.modules()]
    assert kinds.count(Int8Linear) == 2
    assert kinds.count(nn.Conv2d) == 1
    assert nn.Linear not in kinds


def test_a_torch_without_the_operator_has_no_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(int8, "Int8Linear", refuse)

    assert usable_levels.__wrapped__() == 0


@pytest.mark.skipif(usable_levels() == 0, reason="no int8 on this CPU")
def test_a_cpu_that_adds_up_in_16_bits_gets_half_the_levels() -> None:
    """As the library does without VNNI; with all levels 255 * 127 twice would be cut off."""
    answer = subprocess.run(
        [sys.executable, "-c", CODE],
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout.strip() == "128"
