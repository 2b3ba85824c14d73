"""Names of devices, and what they have."""

import pytest
import torch

from backend.checkpoints.device import Compiling, compiles, images_together, usable_device
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
    ("name", "free_gib", "images"),
    [("cpu", 1000, 1), ("cuda", 0.5, 1), ("cuda", 15, 3), ("cuda", 40, 8), ("cuda", 140, 8)],
)
def test_a_gpu_encodes_as_many_images_at_once_as_its_memory_is_sure_to_hold(
    name: str, free_gib: float, images: int
) -> None:
    """One for each 4 GiB that is free, and not more than eight; a CPU one after the other."""
    assert images_together(torch.device(name), free_bytes=int(free_gib * 2**30)) == images


@pytest.mark.parametrize(
    ("name", "wanted", "used"),
    [
        ("cuda", "on", True),
        ("cuda", "auto", True),
        ("cuda", "off", False),
        ("cpu", "on", False),
        ("cpu", "auto", False),
    ],
)
def test_what_is_wanted_is_compiled_on_a_gpu_only(name: str, wanted: Compiling, used: bool) -> None:
    assert compiles(torch.device(name), wanted=wanted, missing=[]) is used


def test_a_compiler_that_lacks_something_is_an_error_where_it_is_wanted() -> None:
    """Said at the start, not by each image; where it is only to be tried, it is not."""
    missing = ["a C compiler", "triton"]

    with pytest.raises(UnusableDeviceError, match=r"ONESHOT_COMPILE=on needs a C compiler and triton"):
        compiles(torch.device("cuda"), wanted="on", missing=missing)
    assert not compiles(torch.device("cuda"), wanted="auto", missing=missing)
    assert not compiles(torch.device("cuda"), wanted="off", missing=missing)
    assert not compiles(torch.device("cpu"), wanted="on", missing=missing)
