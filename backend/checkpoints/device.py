"""The device that models run on."""

import torch

from backend.checkpoints.errors import UnusableDeviceError


def usable_device(name: str) -> torch.device:
    """Device of that name; ``auto`` is the first GPU, or the CPU where there is none.

    Args:
        name: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UnusableDeviceError: no device of that name, or none of its kind here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as exc:
        raise UnusableDeviceError(f"expected auto, cpu, cuda or cuda:N as the device, got {name!r}") from exc
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UnusableDeviceError(
            f"{name} is not usable here: torch sees {torch.cuda.device_count()} GPUs; set ONESHOT_DEVICE=auto"
        )
    return device
