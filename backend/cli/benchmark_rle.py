"""``oneshot benchmark rle``: the brush code against Label Studio's own SDK."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backend.evaluation.speed import Timing

SIZE_HW = (3000, 4000)  # a phone's photograph
OBJECTS = 20
PEER, OURS = "label_studio_sdk", "this program"


@click.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1), help="How often each.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def rle(*, rounds: int, as_json: bool) -> None:
    """Time encoding and decoding of masks of 4000 x 3000 pixels, here and by the SDK, in turn.

    Both write the same bytes, but for a spare zero at the SDK's end, and read the same mask.

    Example: oneshot benchmark rle --rounds 3
    """
    from backend.evaluation.speed import machine, report, told

    timings = rle_speed(SIZE_HW, rounds=rounds)
    facts = machine(["label-studio-sdk", "numpy"]) | {"rounds": str(rounds)}
    click.echo(json.dumps(report(timings, facts)) if as_json else told(timings, facts))


def rle_speed(size_hw: tuple[int, int], *, rounds: int) -> list[Timing]:
    """Time one mask of twenty objects, and a mask of one, as each instance of a prediction is.

    Raises:
        AssertionError: the two do not write the same code.
    """
    import numpy as np
    from label_studio_sdk.converter import brush

    from backend.evaluation.speed import in_turn
    from backend.labelstudio.brush_rle import decode_rle, encode_rle

    sdk: Any = brush  # untyped
    timings = []
    for count in (OBJECTS, 1):
        mask = blobs(size_hw, count)
        image = mask.astype(np.uint8) * 255
        code = encode_rle(mask)
        if sdk.mask2rle(image) not in (code, [*code, 0]):
            raise AssertionError(f"expected the SDK's code for {count} objects, got {len(code)} other bytes")
        case = f"{count} object{'s' * (count > 1)}"
        timings += in_turn(
            f"encode {case}",
            {PEER: lambda: sdk.mask2rle(image), OURS: lambda: encode_rle(mask)},  # noqa: B023 - called here
            rounds=rounds,
        )
        timings += in_turn(
            f"decode {case}",
            {PEER: lambda: sdk.decode_rle(code), OURS: lambda: decode_rle(code, size_hw)},  # noqa: B023
            rounds=rounds,
        )
    return timings


def blobs(size_hw: tuple[int, int], count: int) -> NDArray[np.bool_]:
    """A mask of *count* wavy discs about a tenth of the height across, the same each time, (H, W) bool."""
    import numpy as np

    height, width = size_hw
    random, mask = np.random.default_rng(0), np.zeros(size_hw, np.bool_)
    for _ in range(count):
        radius = height / 20 * random.uniform(0.6, 1.4)
        reach = int(radius * 1.2) + 1
        row, column = random.integers(reach, height - reach), random.integers(reach, width - reach)
        y, x = np.mgrid[-reach:reach, -reach:reach]
        waves = 1 + 0.1 * np.sin(random.integers(3, 9) * np.arctan2(y, x))
        mask[row - reach : row + reach, column - reach : column + reach] |= np.hypot(y, x) < radius * waves
    return mask
