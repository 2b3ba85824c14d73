"""Names of devices."""

import pytest
import torch

from backend.checkpoints.device import usable_device
from backend.checkpoints.errors import UnusableDeviceError


def test_auto_is_a_gpu_where_there_is_one() -> None:
    assert usable_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_cpu_is_always_there() -> None:
    assert usable_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UnusableDeviceError):
        usable_device(name)
