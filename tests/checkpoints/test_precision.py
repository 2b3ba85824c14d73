"""The numbers that networks compute with: chosen by measurements, which are given here."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from backend.checkpoints import precision
from backend.checkpoints.errors import UnusableDeviceError
from backend.checkpoints.precision import (
    ROUNDS,
    Kind,
    Precision,
    choose_precision,
    gpu_kinds,
    native_kinds,
    perceptron_seconds,
)

CPU, GPU = torch.device("cpu"), torch.device("cuda")
F32: Kind = "float32"
BF16: Kind = "bfloat16"
F16: Kind = "float16"
I8: Kind = "int8"
I8_BF16: Kind = "int8-bfloat16"
FLAGS = "flags\t\t: fpu avx512_bf16\n"


def always(took: dict[Kind, float]) -> Callable[[Kind], float]:
    """A device on which a perceptron takes just that long, in milliseconds."""
    return lambda kind: took[kind] / 1000


@pytest.mark.parametrize(
    ("took", "kind"),
    [
        ({F32: 10, BF16: 5, F16: 5}, BF16),
        ({F32: 10, BF16: 5, F16: 4.5}, BF16),
        ({F32: 10, BF16: 5, F16: 4}, F16),
        ({F32: 10, BF16: 9, F16: 9}, F32),
        ({F32: 10, BF16: 30, F16: 5}, F16),
        ({F32: 10, BF16: math.inf, F16: math.inf}, F32),
        ({F32: 10, BF16: 1e-9, F16: math.inf}, BF16),
    ],
    ids=[
        "twice",
        "fp16 a little more",
        "fp16 clearly more",
        "hardly",
        "fp16 alone",
        "neither works",
        "one works",
    ],
)
def test_the_clearly_faster_is_chosen_and_the_wider_range_first(took: dict[Kind, float], kind: Kind) -> None:
    chosen = choose_precision(GPU, kinds=[F32, BF16, F16], seconds=always(took))

    assert chosen.kind == kind
    assert chosen.times_as_fast == pytest.approx({one: took[F32] / took[one] for one in (BF16, F16)})


def test_a_machine_that_is_busy_now_and_then_chooses_the_same() -> None:
    """Others take the CPU for 20 ms in all rounds but two, and not in the same for both."""
    calls: dict[Kind, int] = {F32: 0, BF16: 0}

    def seconds(kind: Kind) -> float:
        calls[kind] += 1
        quiet = calls[kind] in ((3, 7) if kind == F32 else (4, 8))
        return (0.010 if kind == F32 else 0.005) + (0 if quiet else 0.020)

    assert choose_precision(CPU, kinds=[F32, BF16], seconds=seconds).kind == BF16
    assert calls == {F32: ROUNDS + 1, BF16: ROUNDS + 1}


def test_the_first_round_is_not_counted() -> None:
    """Nor would it be if it were the fastest: what a library does once is in it."""
    took = iter([1, 1] + [10, 5] * ROUNDS)

    assert choose_precision(CPU, kinds=[F32, BF16], seconds=lambda _: next(took)).times_as_fast == {BF16: 2}


def test_what_has_no_choice_is_not_measured() -> None:
    def seconds(kind: Kind) -> float:
        raise AssertionError(kind)

    assert choose_precision(CPU, kinds=[F32], seconds=seconds).kind == F32
    assert choose_precision(CPU, "float32", seconds=seconds).kind == F32
    assert choose_precision(GPU, "float16", seconds=seconds).kind == F16


def test_what_was_measured_is_told_in_a_line() -> None:
    chosen = choose_precision(GPU, kinds=[F32, BF16, F16], seconds=always({F32: 10, BF16: 2, F16: 2.5}))

    assert str(chosen) == "bfloat16 (times as fast as float32: bfloat16 5.0, float16 4.0)"
    assert str(choose_precision(CPU, "float32")) == "float32"


def test_fp16_is_refused_on_a_cpu() -> None:
    """Few have it, and then not all that the networks do."""
    with pytest.raises(UnusableDeviceError, match=r"ONESHOT_PRECISION=float16 is not usable .* float32"):
        choose_precision(CPU, "float16")


@pytest.mark.parametrize("kind", [F32, F16, I8, I8_BF16])
def test_a_perceptron_is_timed_within_milliseconds(kind: Kind) -> None:
    """By a clock that stands still while another has the CPU."""
    started = time.thread_time()

    took = perceptron_seconds(CPU)(kind)

    assert 0 < took < time.thread_time() - started


def test_what_cannot_be_computed_takes_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> float:
        raise RuntimeError("not implemented for 'Half'")

    monkeypatch.setattr(precision, "_on_cpu", refuse)

    assert perceptron_seconds(CPU)(F16) == math.inf


def test_threads_are_as_many_as_before() -> None:
    before = torch.get_num_threads()
    inside = set()

    def seconds(_: Kind) -> float:
        inside.add(torch.get_num_threads())
        return 1.0

    choose_precision(CPU, kinds=[F32, BF16], seconds=seconds)

    assert (inside, torch.get_num_threads()) == ({1}, before)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16\n", [F32, BF16, I8, I8_BF16]),
        ("flags\t\t: fpu amx_tile amx_bf16\n", [F32, BF16]),
        ("flags\t\t: fpu avx2 avx_vnni\nvmx flags\t: avx512_bf16\n", [F32, I8]),
        ("flags\t\t: fpu sse4_2 avx\n", [F32]),
        ("Features\t: fp asimd bf16\n", [F32]),
        ("", [F32]),
    ],
    ids=["avx512", "amx, and no avx2 is told", "without", "old", "another family", "nothing"],
)
def test_bf16_and_int8_are_measured_on_cpus_that_list_them(
    tmp_path: Path, text: str, kinds: list[Kind], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And if the library takes it, as it does unless it is forbidden."""
    monkeypatch.setattr(precision, "_library_takes_bf16", lambda: True)
    monkeypatch.setattr(precision, "usable_levels", lambda: 128)
    (tmp_path / "cpuinfo").write_text(text)

    assert native_kinds(CPU, cpuinfo=tmp_path / "cpuinfo") == kinds


def test_what_the_library_is_forbidden_is_not_used(tmp_path: Path) -> None:
    """It would refuse each image, whatever the CPU can; and who asks for it is told at the start."""
    (tmp_path / "cpuinfo").write_text(FLAGS)
    script = (
        "import pathlib, sys, torch\n"
        "from backend.checkpoints.precision import choose_precision, native_kinds\n"
        "cpu = torch.device('cpu'); print(native_kinds(cpu, cpuinfo=pathlib.Path(sys.argv[1]))); "
        "choose_precision(cpu, 'bfloat16')"
    )

    answer = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "cpuinfo")],
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.stdout.strip() == "['float32']"
    assert (
        "ONESHOT_PRECISION=bfloat16 is not usable on this CPU; expected auto or one of float32"
        in answer.stderr
    )


def test_where_int8_products_are_wrong_it_is_neither_measured_nor_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text("flags\t\t: fpu avx2\n")
    monkeypatch.setattr(precision, "usable_levels", lambda: 0)

    assert native_kinds(CPU, cpuinfo=tmp_path / "cpuinfo") == [F32]
    with pytest.raises(UnusableDeviceError, match=r"ONESHOT_PRECISION=int8 is not usable on this CPU"):
        choose_precision(CPU, "int8")


def test_int8_is_refused_on_a_gpu() -> None:
    with pytest.raises(
        UnusableDeviceError, match=r"int8 is not usable on this GPU; .* float32, bfloat16, float16$"
    ):
        choose_precision(GPU, "int8")


@pytest.mark.parametrize(
    ("took", "kind"),
    [
        ({F32: 10, BF16: 5, I8: 4, I8_BF16: 4}, I8_BF16),
        ({F32: 10, BF16: 5, I8: 4, I8_BF16: 4.5}, BF16),
        ({F32: 10, BF16: 9, I8: 4, I8_BF16: 4}, I8),
        ({F32: 10, BF16: 20, I8: 9, I8_BF16: 4}, F32),
    ],
    ids=["both", "int8 hardly", "int8 alone", "what int8 gains bfloat16 loses"],
)
def test_int8_is_chosen_beside_the_floats_that_are_fastest(took: dict[Kind, float], kind: Kind) -> None:
    """All but linear layers is computed with these."""
    assert choose_precision(CPU, kinds=[F32, BF16, I8, I8_BF16], seconds=always(took)).kind == kind


def test_what_is_never_int8_has_the_floats_beside_it() -> None:
    chosen = choose_precision(CPU, kinds=[F32, I8], seconds=always({F32: 10, I8: 5}))

    assert (chosen.dtype, chosen.int8) == (torch.float32, True)
    assert str(chosen) == "int8 (times as fast as float32: int8 2.0)"
    assert (Precision("int8-bfloat16").dtype, Precision("int8-bfloat16").int8) == (torch.bfloat16, True)
    assert (Precision("bfloat16").dtype, Precision("bfloat16").int8) == (torch.bfloat16, False)


def test_a_system_that_lists_nothing_is_taken_not_to_know_bf16(tmp_path: Path) -> None:
    assert native_kinds(CPU, cpuinfo=tmp_path / "none") == [F32]


@pytest.mark.parametrize(
    ("capability", "kinds"),
    [(6, [F32, F16]), (7, [F32, F16]), (8, [F32, BF16, F16]), (12, [F32, BF16, F16])],
    ids=["Pascal", "Volta and Turing", "Ampere and Ada", "Blackwell"],
)
def test_bf16_is_measured_on_gpus_that_have_it(capability: int, kinds: list[Kind]) -> None:
    """Before Ampere it is computed by way of float32."""
    assert gpu_kinds(capability) == kinds
