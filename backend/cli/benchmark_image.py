"""``oneshot benchmark image``: what decoding a photograph takes, at full and at reduced size."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backend.evaluation.speed import Timing

SIZES_WH = ((1600, 1200), (4000, 3000), (8000, 6250))
FULL, DRAFT, PIXELS = "decode", "decode at reduced size", "to the encoder's pixels"


@click.command()
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="How often each.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def image(*, rounds: int, as_json: bool) -> None:
    """Time the way of JPEGs of 2, 12 and 50 megapixels to the encoder's pixels.

    Also what it would take if the decoder left out detail that the encoder does not see; this program does
    not, for the semantic check looks at objects in the image's own pixels.

    Example: oneshot benchmark image --rounds 5
    """
    from backend.evaluation.speed import machine, report, told

    timings = [one for size_wh in SIZES_WH for one in image_speed(size_wh, rounds=rounds)]
    facts = machine(["pillow", "torch"]) | {"rounds": str(rounds)}
    click.echo(json.dumps(report(timings, facts)) if as_json else told(timings, facts))


def image_speed(size_wh: tuple[int, int], *, rounds: int) -> list[Timing]:
    """Time one size."""
    from backend.evaluation.speed import in_turn
    from backend.labelstudio.images import ImageLimits, decode_image
    from backend.vision.sam import preprocess, resized_size

    data, limits = photograph(size_wh), ImageLimits()
    pixels, draft = decode_image(data, limits=limits), reduced(data)

    def prepared(array: NDArray[np.uint8]) -> object:
        return preprocess(array, resized_size(array.shape[0], array.shape[1], 1024), 1024)

    case = f"{size_wh[0]} x {size_wh[1]}"
    ways = {FULL: lambda: decode_image(data, limits=limits), DRAFT: lambda: reduced(data)}
    then = {PIXELS: lambda: prepared(pixels), f"{PIXELS}, reduced": lambda: prepared(draft)}
    return in_turn(case, ways, rounds=rounds) + in_turn(case, then, rounds=rounds)


def photograph(size_wh: tuple[int, int]) -> bytes:
    """The coins, enlarged and as grainy as a photograph, as a JPEG."""
    import numpy as np
    from PIL import Image

    from backend.evaluation.coins import coins_image

    large = np.asarray(Image.fromarray(coins_image()).resize(size_wh), dtype=np.int16)
    grain = np.random.default_rng(0).integers(-8, 9, large.shape[:2], dtype=np.int16)[..., None]
    file = io.BytesIO()
    Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def reduced(data: bytes, least: int = 1024) -> NDArray[np.uint8]:
    """A JPEG decoded at a half, a quarter or an eighth of its size, no side below the encoder's."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(data)) as opened:
        scale = least / max(opened.size)
        opened.draft("RGB", (round(opened.width * scale), round(opened.height * scale)))
        return np.asarray(opened.convert("RGB"))
