"""``oneshot benchmark gpu``: SAM ViT-L and ViT-H against transformers' ``SamModel``, and against the GPU."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backend.cli.benchmark_figures import Figure, lines
from backend.cli.benchmark_workers import whole_numbers
from backend.cli.progress import progress
from backend.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backend.checkpoints.precision import Precision
    from backend.evaluation.gpu_speed import EncoderSpeed
    from backend.evaluation.job_speed import JobCost

PACKAGES = ("torch", "transformers", "numpy")
THINGS = 10  # in each image
TIMES, SHARE = 3.0, 0.6  # aimed at, on an H100
NO_GPU = (
    "expected an NVIDIA GPU, but torch {version} sees none here. Run this where `nvidia-smi` lists one, with "
    "a build of torch for CUDA; `--device cpu --sizes tiny` shows that the command works"
)


@click.command()
@click.option("--sizes", default="vit-l,vit-h", show_default=True, help="Image encoders; also `tiny`.")
@click.option("--device", default="cuda", show_default=True, help="cuda, cuda:N or cpu.")
@click.option("--batches", default="1,4,8", show_default=True, help="Images encoded at once.")
@click.option(
    "--compile/--no-compile",
    "compiled",
    default=True,
    show_default=True,
    help="Time it compiled by torch, too.",
)
@click.option("--images", default=5, show_default=True, type=click.IntRange(min=1), help="Whole images.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1), help="How often each.")
@click.option(
    "--matrix-side", default=8192, show_default=True, type=click.IntRange(min=64), help="Of matrices."
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all figures."
)
def gpu(
    *,
    sizes: str,
    device: str,
    batches: str,
    compiled: bool,
    images: int,
    rounds: int,
    matrix_side: int,
    json_file: Path | None,
) -> None:
    """Time SAM's large image encoders and whole images on a GPU, with random weights.

    The peer is transformers' SamModel as its own examples use it: float32, one image and one prompt at a
    time. The encoder is also compared with the rate at which the GPU multiplies matrices in bfloat16. Times
    are on the wall. A target that is missed does not make the command fail.

    Example: oneshot benchmark gpu --json gpu.json
    """
    from backend.evaluation.gpu_speed import SHAPES

    names = [name.strip() for name in sizes.split(",")]
    if set(names) - set(SHAPES):
        raise click.UsageError(f"expected --sizes among {', '.join(SHAPES)}, got {sizes!r}")
    require_gpu(device)
    settings = Settings()
    speeds, costs, facts = measured(
        *(settings, names, device),
        batches=whole_numbers(batches),
        compiled=compiled,
        images=images,
        rounds=rounds,
        matrix_side=matrix_side,
    )
    figures = gpu_figures(speeds, costs)
    click.echo("\n".join([*("  ".join(pair) for pair in facts.items()), "", *table(speeds), ""]))
    click.echo("\n".join(lines(figures)))
    if json_file is not None:
        content = {
            "machine": facts,
            "figures": [asdict(figure) | {"missed": figure.missed} for figure in figures],
            "encoders": [asdict(one) for one in speeds],
            "whole": {size: [asdict(one) for one in some] for size, some in costs.items()},
        }
        json_file.write_text(json.dumps(content, indent=1) + "\n")


def require_gpu(device: str) -> None:
    """Check that the GPU is there.

    Raises:
        ClickException: there is none.
    """
    from importlib.metadata import version

    from backend.checkpoints.device import gpu_name

    if device.startswith("cuda") and gpu_name(device) is None:
        raise click.ClickException(NO_GPU.format(version=version("torch")))


def measured(
    settings: Settings,
    sizes: Sequence[str],
    device: str,
    *,
    batches: Sequence[int],
    compiled: bool,
    images: int,
    rounds: int,
    matrix_side: int,
) -> tuple[list[EncoderSpeed], dict[str, list[JobCost]], dict[str, str]]:
    """Speeds of encoders, costs of whole images by size, and facts of the machine and the run."""
    from backend.checkpoints.device import gpu_name, usable_device
    from backend.checkpoints.precision import choose_precision
    from backend.checkpoints.sam_encoder import large_dtype
    from backend.evaluation.gpu_speed import encoder_speeds, matrix_rate
    from backend.evaluation.job_speed import job_images
    from backend.evaluation.speed import machine

    where = usable_device(device)
    precision = choose_precision(where, settings.oneshot_precision)
    dtype = large_dtype(where, precision.dtype)
    rate = matrix_rate(where, side=matrix_side, rounds=rounds)
    speeds, costs = [], {}
    with progress("benchmark", 2 * len(sizes)) as done:
        for size in sizes:
            speeds += encoder_speeds(
                size, where, dtype, batches=batches, compiled=compiled, rate=rate, rounds=rounds
            )
            done(f"{size}: encoder measured")
            scenes = job_images(images, things=THINGS)
            costs[size] = whole_costs(settings, size, device, precision, scenes, rounds=rounds)
            done(f"{size}: whole images measured")
    facts = machine(PACKAGES) | {
        "device": gpu_name(device) or device,
        "computes with": str(precision),
        "matrices in bfloat16": f"{rate / 1e12:.1f} * 10^12 operations a second",
        "decodes with": settings.oneshot_sam,
        "rounds": str(rounds),
        "images": f"{images} of {THINGS} things",
    }
    return speeds, costs, facts


def whole_costs(
    settings: Settings, size: str, device: str, precision: Precision, images: Sequence[Any], *, rounds: int
) -> list[JobCost]:
    """What whole images take: this program, then the peer."""
    from backend.checkpoints.device import usable_device
    from backend.checkpoints.sam_encoder import large_dtype
    from backend.evaluation.gpu_speed import gpu_ways
    from backend.evaluation.job_speed import job_costs, job_reference
    from backend.evaluation.search_speed import transformers_model
    from backend.worker.models import configured_models
    from backend.worker.search_options import search_options

    options = search_options(settings)
    place: dict[str, Any] = {"cache_dir": settings.oneshot_cache, "device": device}
    models = configured_models(settings.model_copy(update={"oneshot_device": device}))
    reference = job_reference(models, options, things=THINGS)
    model = transformers_model(settings.oneshot_sam, **place)
    if model is None:
        raise click.ClickException(
            f"expected a checkpoint of the first SAM in ONESHOT_SAM, which the peer can use, got "
            f"{settings.oneshot_sam!r}; set ONESHOT_SAM=mobilesam"
        )
    where = usable_device(device)
    ways = gpu_ways(
        *(size, models, model, reference, where, large_dtype(where, precision.dtype)),
        options=options,
        at_most=2 * THINGS,
    )
    return job_costs(images, ways, peer_images=0, rounds=rounds)


def gpu_figures(speeds: Sequence[EncoderSpeed], costs: Mapping[str, Sequence[JobCost]]) -> list[Figure]:
    """Of each size: the encoder and whole images against the peer, and the encoder against the device."""
    from backend.evaluation.gpu_speed import OURS, PEER

    figures = []
    for size, whole in costs.items():
        here = [one for one in speeds if one.size == size]
        peer = next(one for one in here if one.way == PEER)
        best = max((one for one in here if one.way != PEER), key=lambda one: one.images_per_s)
        by_way = {one.way: one for one in whole}
        unit = f"{best.way}, {best.batch} at once"
        times = by_way[PEER].wall_ms / by_way[OURS].wall_ms
        figures += [
            Figure(f"{size}, encoder", best.images_per_s, f"images a second: {unit}"),
            Figure(
                f"{size}, encoder by SamModel's",
                *(best.images_per_s / peer.images_per_s, "times as fast", TIMES, "at least"),
            ),
            Figure(f"{size}, encoder by matrices", best.share, "of their rate in bf16", SHARE, "at least"),
            Figure(f"{size}, whole images", 1000 / by_way[OURS].wall_ms, "a second"),
            Figure(f"{size}, whole by SamModel's", times, "times as fast", TIMES, "at least"),
        ]
    return figures


def table(speeds: Sequence[EncoderSpeed]) -> list[str]:
    """The encoders, a line each."""
    width = max(len(one.way) for one in speeds)
    heads = f"{'encoder':9}{'way':{width}}{'at once':>9}{'images/s':>10}{'10^12/s':>9}{'of matrices':>13}"
    return [heads] + [
        f"{one.size:9}{one.way:{width}}{one.batch:9}{one.images_per_s:10.2f}{one.tera_per_s:9.2f}{one.share:13.2f}"
        for one in speeds
    ]
