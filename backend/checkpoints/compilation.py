"""An image encoder compiled by torch, block by block, and kept so only where it is measured to be faster.

The blocks of such an encoder are alike: compiled one by one, all of a kind share what was made for the first,
so that it takes as long for 32 of them as for two. The encoder as a whole would take many times as long.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from backend.checkpoints.errors import UnusableDeviceError
from backend.checkpoints.timing import least_seconds

Encode = Callable[[Tensor], object]
Seconds = Callable[[Callable[[], object]], float]

CLEARLY = 1.1  # times as fast: what is less is not worth other roundings
ROUNDS = 5
KINDS = 64  # of blocks, shapes included, that are compiled; torch would give up after eight
_FAILURES = (RuntimeError, OSError, ImportError)  # of the compiler, of what it starts, and of what it needs

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """What compiling an encoder brought.

    Attributes:
        kept: whether it is compiled now.
        times_as_fast: as before, on one image.
        took_s: seconds until it was compiled.
    """

    kept: bool
    times_as_fast: float
    took_s: float

    def __str__(self) -> str:
        became = "is compiled" if self.kept else "is left as it was"
        return f"image encoder {became}: {self.times_as_fast:.2f} times as fast compiled, {self.took_s:.0f} s"


def compile_encoder(
    network: nn.Module,
    encode: Encode,
    pixels: Tensor,
    *,
    only_if_faster: bool,
    seconds: Seconds | None = None,
    compiler: str = "inductor",
) -> Trial | None:
    """Compile *network*, for one image and for several; None where that failed, and it is as it was.

    Args:
        network: changed in place.
        encode: has it look at pixels.
        pixels: of two images, (2, 3, side, side) float, on the network's device.
        only_if_faster: undo it unless it is clearly faster, or if it fails.
        seconds: times work; None: by the clock.
        compiler: torch's name for it.

    Raises:
        UnusableDeviceError: it failed, and *only_if_faster* is not set.
    """
    blocks, one = repeated_blocks(network), pixels[:1]
    seconds = seconds or (lambda work: least_seconds(work, pixels.device, rounds=ROUNDS))
    before_s = seconds(lambda: encode(one))
    logger.info("compiling the image encoder; ONESHOT_COMPILE=off leaves that out")
    started = time.perf_counter()
    try:
        _compile(blocks, compiler)
        encode(one)
        encode(pixels)
        took_s = time.perf_counter() - started
        times = before_s / seconds(lambda: encode(one))
    except _FAILURES as exc:
        _undo(blocks)
        reason = next(iter(str(exc).splitlines()), type(exc).__name__)
        if not only_if_faster:
            raise UnusableDeviceError(
                f"ONESHOT_COMPILE=on: cannot compile the image encoder: {reason}"
            ) from exc
        logger.warning("cannot compile the image encoder, it is left as it was: %s", reason)
        return None
    trial = Trial(not only_if_faster or times >= CLEARLY, times, took_s)
    if not trial.kept:
        _undo(blocks)
    logger.info("%s", trial)
    return trial


def repeated_blocks(network: nn.Module) -> Sequence[nn.Module]:
    """The most modules of one class, of several layers each, in a list; without any, the network itself."""
    lists = [list(one) for one in network.modules() if isinstance(one, nn.ModuleList)]
    alike = [one for one in lists if len(one) > 1 and len({type(block) for block in one}) == 1]
    made_of_layers = [one for one in alike if any(one[0].children())]
    return max(made_of_layers, key=len, default=[network])


def _compile(blocks: Sequence[nn.Module], compiler: str) -> None:
    from torch._dynamo import config  # takes seconds, and most workers need none of it

    config.recompile_limit = max(KINDS, config.recompile_limit)
    for block in blocks:
        block.compile(backend=compiler)


def _undo(blocks: Sequence[nn.Module]) -> None:
    for block in blocks:
        block._compiled_call_impl = None  # noqa: SLF001 - what Module.compile sets; there is no way back but this
