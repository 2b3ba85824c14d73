"""Names of devices, and what they are fast with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from backend.checkpoints import device
from backend.checkpoints.device import compiles, fast_bf16, gpu_dtype, usable_device
from backend.checkpoints.errors import UnusableDeviceError


def test_auto_is_a_gpu_where_there_is_one() -> None:
    assert usable_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_cpu_is_always_there() -> None:
    assert usable_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UnusableDeviceError):
        usable_device(name)


@pytest.mark.parametrize(
    ("text", "fast"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16\n", True),
        ("flags\t\t: fpu amx_tile amx_bf16\n", True),
        ("flags\t\t: fpu avx2 avx512f avx512bw\nvmx flags\t: avx512_bf16\n", False),
        ("Features\t: fp asimd bf16\n", False),
        ("", False),
    ],
    ids=["avx512", "amx", "without", "another family", "nothing"],
)
def test_a_cpu_is_fast_with_bf16_if_it_lists_it(
    tmp_path: Path, text: str, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And if the library takes it, as it does unless it is forbidden."""
    monkeypatch.setattr(device, "_allowed", lambda: True)
    (tmp_path / "cpuinfo").write_text(text)

    assert fast_bf16(torch.device("cpu"), cpuinfo=tmp_path / "cpuinfo") is fast


def test_what_the_library_is_forbidden_is_not_used(tmp_path: Path) -> None:
    """It would refuse each image, whatever the CPU can."""
    (tmp_path / "cpuinfo").write_text("flags\t\t: avx512_bf16 amx_bf16\n")
    script = (
        "import pathlib, sys, torch; from backend.checkpoints.device import fast_bf16; "
        "print(fast_bf16(torch.device('cpu'), cpuinfo=pathlib.Path(sys.argv[1])))"
    )

    answer = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "cpuinfo")],
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout.strip() == "False"


def test_a_system_that_lists_nothing_is_taken_not_to_know_bf16(tmp_path: Path) -> None:
    assert not fast_bf16(torch.device("cpu"), cpuinfo=tmp_path / "none")


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [
        ((6, 1), torch.float32),
        ((7, 0), torch.float16),
        ((7, 5), torch.float16),
        ((8, 0), torch.bfloat16),
        ((8, 9), torch.bfloat16),
        ((12, 0), torch.bfloat16),
    ],
    ids=["Pascal", "Volta", "Turing", "Ampere", "Ada", "Blackwell"],
)
def test_a_gpu_computes_with_what_it_says_it_can(capability: tuple[int, int], dtype: torch.dtype) -> None:
    """Before Ampere bf16 is slower than float32, and before Volta fp16 is as well on most."""
    assert gpu_dtype(capability) is dtype


@pytest.mark.parametrize(
    ("name", "wanted", "used"), [("cuda", True, True), ("cuda", False, False), ("cpu", True, False)]
)
def test_what_is_wanted_is_compiled_on_a_gpu_only(name: str, wanted: bool, used: bool) -> None:
    assert compiles(torch.device(name), wanted=wanted, missing=[]) is used


def test_a_compiler_that_lacks_something_is_an_error_where_it_is_wanted() -> None:
    """Said at the start, not by each image."""
    missing = ["a C compiler", "triton"]

    with pytest.raises(UnusableDeviceError, match=r"ONESHOT_COMPILE needs a C compiler and triton"):
        compiles(torch.device("cuda"), wanted=True, missing=missing)
    assert not compiles(torch.device("cuda"), wanted=False, missing=missing)
    assert not compiles(torch.device("cpu"), wanted=True, missing=missing)
