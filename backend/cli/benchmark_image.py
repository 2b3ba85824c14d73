"""``oneshot benchmark image``: what decoding a photograph takes, at full and at reduced size."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from backend.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backend.evaluation.reduced_search import BothWays
    from backend.evaluation.speed import Timing
    from backend.labelstudio.images import ImageLimits

SIZES_WH = ((1600, 1200), (4000, 3000), (6000, 4000), (8000, 6250))
FULL, DRAFT, PIXELS = "decode in full", "decode as workers do", "to the encoder's pixels"


@click.command()
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="How often each.")
@click.option(
    "--search",
    "searched",
    type=click.IntRange(min=1),
    help="Search the largest with so many things, in full and reduced.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def image(*, rounds: int, searched: int | None, as_json: bool) -> None:
    """Time the way of JPEGs of 2, 12, 24 and 50 megapixels to the encoder's pixels.

    Workers have the decoder leave out detail that not even the finest tiles of ONESHOT_MAX_TILES show: none
    of images up to 4,915 pixels along the longer side.

    Example: oneshot benchmark image --rounds 5 --search 10
    """
    from backend.evaluation.speed import machine, report, told
    from backend.worker.images import image_limits

    settings = Settings()
    limits = image_limits(settings)
    timings = [one for size_wh in SIZES_WH for one in image_speed(size_wh, limits=limits, rounds=rounds)]
    facts = machine(["pillow", "torch"]) | {"rounds": str(rounds)}
    found = None if searched is None else both(settings, things=searched)
    if as_json:
        click.echo(json.dumps(report(timings, facts) | {"search": found and asdict(found)}))
    else:
        click.echo("\n".join([told(timings, facts), *(said(found) if found else [])]))


def both(settings: Settings, *, things: int) -> BothWays:
    """Search a scene of the largest size in full and reduced."""
    from backend.evaluation.reduced_search import both_ways
    from backend.worker.images import image_limits
    from backend.worker.models import configured_models
    from backend.worker.search_options import search_options

    models = configured_models(settings)
    size_hw = SIZES_WH[-1][1], SIZES_WH[-1][0]
    return both_ways(
        models, size_hw, things=things, limits=image_limits(settings), options=search_options(settings)
    )


def said(both: BothWays) -> list[str]:
    """What both ways have found, in lines."""
    height, width = both.size_hw
    ious = f"{both.mean_iou:.4f}, at least {both.least_iou:.4f}"
    reduced = f"found {both.found_reduced}, F1 {both.f1_reduced:.3f}, {both.cpu_ms_reduced:.0f} ms CPU"
    return [
        "",
        f"{both.things} things in {width} x {height} pixels",
        f"in full: found {both.found}, F1 {both.f1:.3f}, {both.cpu_ms:.0f} ms CPU",
        f"at 1/{both.times}: {reduced}",
        f"IoU of the masks of both in the image's own pixels: {ious}",
    ]


def image_speed(size_wh: tuple[int, int], *, limits: ImageLimits, rounds: int) -> list[Timing]:
    """Time one size."""
    from backend.evaluation.speed import in_turn
    from backend.labelstudio.images import decode_image, decode_reduced
    from backend.vision.sam import preprocess, resized_size

    data = photograph(size_wh)
    pixels, draft = decode_image(data, limits=limits), decode_reduced(data, limits=limits).pixels

    def prepared(array: NDArray[np.uint8]) -> object:
        return preprocess(array, resized_size(array.shape[0], array.shape[1], 1024), 1024)

    case = f"{size_wh[0]} x {size_wh[1]}"
    ways = {
        FULL: lambda: decode_image(data, limits=limits),
        DRAFT: lambda: decode_reduced(data, limits=limits),
    }
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
