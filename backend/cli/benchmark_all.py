"""``oneshot benchmark all``: the other benchmarks in one run, as ratios beside what they should be."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backend.cli.benchmark_figures import Figure, lines
from backend.cli.benchmark_vision import numbers, opened, told
from backend.cli.benchmark_workers import Throughput, throughput, whole_numbers
from backend.cli.benchmark_workers import told as told_throughput
from backend.cli.progress import progress
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.evaluation.plot import Panel
    from backend.evaluation.search_speed import FitCost, SearchCost
    from backend.evaluation.speed import Timing

PACKAGES = ("torch", "transformers", "onnxruntime", "numpy", "pillow", "label-studio-sdk")
SETTINGS = ("oneshot_sam", "oneshot_semantics", "oneshot_device", "oneshot_threads", "oneshot_max_tiles")
THINGS = 10  # of the scene that peers search, too
NOT_HERE = (
    "not in this run: F1 and PQ (`oneshot evaluate`), queue and push (`oneshot benchmark queue`), "
    "GPUs (`oneshot benchmark gpu`)"
)


@dataclass(frozen=True)
class Part:
    """What one part of the run says.

    Attributes:
        figures: beside their targets.
        details: all that was measured, as JSON takes it.
        panels: what of it can be drawn.
    """

    figures: Sequence[Figure]
    details: Any
    panels: Sequence[Panel] = ()


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        rounds: how often each; the least counts.
        images: of the job.
        peer_images: of these for the peers.
        things: numbers of things in the scenes that grow by them.
        megapixels: of the scenes that grow by them.
        workers: numbers of workers.
    """

    rounds: int
    images: int
    peer_images: int
    things: Sequence[int]
    megapixels: Sequence[float]
    workers: Sequence[int]


@click.command("all")
@click.option("--rounds", default=2, show_default=True, type=click.IntRange(min=1), help="How often each.")
@click.option("--images", default=5, show_default=True, type=click.IntRange(min=1), help="Images of the job.")
@click.option(
    "--peer-images", default=1, show_default=True, type=click.IntRange(min=1), help="Of them for the peers."
)
@click.option("--things", default="1,3,10,30,100,300", show_default=True, help="Things in growing scenes.")
@click.option("--megapixels", default="0.3,1,3,12,50", show_default=True, help="Sizes of growing scenes.")
@click.option("--workers", default="1,2", show_default=True, help="Numbers of workers.")
@click.option("--only", default="", help="Parts to run, with commas between them; all unless told.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all figures."
)
@click.option(
    "--plot", "plot_file", type=click.Path(path_type=Path, dir_okay=False), help="Draw growth, as SVG."
)
def everything(
    *,
    rounds: int,
    images: int,
    peer_images: int,
    things: str,
    megapixels: str,
    workers: str,
    only: str,
    json_file: Path | None,
    plot_file: Path | None,
) -> None:
    """Run the benchmarks of speed one after the other, and compare them with what was aimed at.

    Ratios are of CPU time. A target that is missed does not make the command fail, a measurement that cannot
    be made does. All of it takes about twenty minutes of one core; with ONESHOT_THREADS=1 other work on the
    machine disturbs it least.

    Example: ONESHOT_THREADS=1 oneshot benchmark all --plot growth.svg --json all.json
    """
    sizes = Sizes(
        *(rounds, images, peer_images),
        *([int(one) for one in numbers(things)], numbers(megapixels), whole_numbers(workers)),
    )
    chosen = chosen_parts(only)
    settings = Settings()
    parts = measured(chosen, settings, sizes)
    facts = facts_of(settings, sizes)
    figures = [figure for part in parts.values() for figure in part.figures]
    click.echo(
        "\n".join(["", *("  ".join(pair) for pair in facts.items()), "", *lines(figures), "", NOT_HERE])
    )
    if json_file is not None:
        details = {name: part.details for name, part in parts.items()}
        rows = [asdict(figure) | {"missed": figure.missed} for figure in figures]
        json_file.write_text(
            json.dumps({"machine": facts, "figures": rows, "details": details}, indent=1) + "\n"
        )
    panels = [panel for part in parts.values() for panel in part.panels]
    if plot_file is not None and panels:
        from backend.evaluation.plot import svg

        plot_file.write_text(svg(panels))


def chosen_parts(only: str) -> list[str]:
    """Names of the parts to run.

    Raises:
        UsageError: there is no such part.
    """
    names = [name.strip() for name in only.split(",") if name.strip()] or list(PARTS)
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise click.UsageError(f"expected parts among {', '.join(PARTS)}, got {', '.join(unknown)}")
    return [name for name in PARTS if name in names]


def measured(chosen: Sequence[str], settings: Settings, sizes: Sizes) -> dict[str, Part]:
    """Run the chosen parts one after the other, and say how long each took."""
    parts = {}
    with progress("benchmark", len(chosen)) as done:
        for name in chosen:
            started = time.monotonic()
            parts[name] = PARTS[name](settings, sizes)
            done(f"{name}: measured in {time.monotonic() - started:.0f} s")
    return parts


def facts_of(settings: Settings, sizes: Sizes) -> dict[str, str]:
    """The machine, the versions, the settings and how much was measured."""
    from backend.checkpoints.device import usable_device
    from backend.checkpoints.precision import choose_precision
    from backend.evaluation.speed import machine

    device = usable_device(settings.oneshot_device)
    return machine(PACKAGES) | {
        "computes with": f"{choose_precision(device, settings.oneshot_precision)} on {device}",
        **{name.upper(): str(getattr(settings, name)) for name in SETTINGS},
        "rounds": str(sizes.rounds),
        "images": f"{sizes.images}, of peers {sizes.peer_images}",
    }


def encoder_part(settings: Settings, sizes: Sizes) -> Part:
    """MobileSAM's image encoder against its ONNX file."""
    from backend.evaluation.encoder_speed import encoder_speed

    timings = encoder_speed(
        settings.oneshot_cache,
        rounds=sizes.rounds,
        threads=settings.oneshot_threads,
        precision=settings.oneshot_precision,
    )
    least = 2.0 if timings[-1].way.endswith("bfloat16") else 1.25
    return Part(encoder_figures(timings, least=least), [asdict(one) for one in timings])


def encoder_figures(timings: Sequence[Timing], *, least: float) -> list[Figure]:
    """Times as fast as the ONNX file, and what an image of 4:3 costs of a square one."""
    used = {one.case: one for one in timings}  # the last way of each is what this machine computes with
    figures = [
        Figure(f"encoder, {case}", one.times_faster, "times as fast as its ONNX file", least, "at least")
        for case, one in used.items()
    ]
    share = used["4:3"].cpu_ms / used["square"].cpu_ms
    return [*figures, Figure("encoder, 4:3 of a square", share, "of its time", 0.75)]


def search_part(settings: Settings, sizes: Sizes) -> Part:
    """What comes after the encoder, against PerSAM's procedure."""
    from backend.evaluation.search_speed import fit_cost, growing_things, peer_costs

    models, model = opened(settings)
    own = growing_things(models, [THINGS], rounds=sizes.rounds)
    peers = peer_costs(models, model, [THINGS], rounds=sizes.rounds)
    fit = fit_cost(models, model)
    details = {"costs": [told(one) for one in (*own, *peers)], "fit": asdict(fit)}
    return Part(search_figures(own[0], {one.way: one for one in peers}, fit), details)


def search_figures(own: SearchCost, peers: Mapping[str, SearchCost], fit: FitCost) -> list[Figure]:
    """Against the cascade of three decodes, PerSAM-F's fit as published, and the check's share."""
    loop, cascade = peers["sam-loop"], peers["persam-loop"]
    return [
        Figure(
            "an instance, PerSAM's three decodes",
            *(cascade.instance_ms / own.instance_ms, "times the cost here", 3.0, "at least"),
        ),
        Figure(
            "an instance, SamModel's one decode", loop.instance_ms / own.instance_ms, "times the cost here"
        ),
        Figure("F1, less than PerSAM's", cascade.f1 - own.f1, f"here {own.f1:.3f}", 0.0),
        Figure(
            "PerSAM-F's fit", fit.published_ms / fit.fit_ms, "times as fast as published", 100.0, "at least"
        ),
        Figure("PerSAM-F's loss, more than published", fit.loss - fit.published_loss, "of the mask", 0.0),
        Figure("semantic check, ten things", own.check_ms / own.image_ms, "of the image's time", 0.15),
    ]


def rle_part(settings: Settings, sizes: Sizes) -> Part:  # noqa: ARG001 - as all parts
    """Brush code against Label Studio's SDK."""
    from backend.cli.benchmark_rle import OBJECTS, OURS, SIZE_HW, rle_speed

    timings = rle_speed(SIZE_HW, rounds=sizes.rounds)
    times = {one.case: one.times_faster for one in timings if one.way == OURS}
    return Part(
        [
            Figure(f"RLE, {case}", times[case], "times as fast as the SDK", least, "at least")
            for case, least in ((f"encode {OBJECTS} objects", 10.0), (f"decode {OBJECTS} objects", 5.0))
        ],
        [asdict(one) for one in timings],
    )


def image_part(settings: Settings, sizes: Sizes) -> Part:
    """Decoding JPEGs at reduced size."""
    from backend.cli.benchmark_image import DRAFT, SIZES_WH, image_speed
    from backend.worker.images import image_limits

    limits = image_limits(settings)
    timings = [
        one for size_wh in SIZES_WH for one in image_speed(size_wh, limits=limits, rounds=sizes.rounds)
    ]
    figures = [
        Figure(f"JPEG {one.case}", one.times_faster, "times as fast as decoded in full")
        for one in timings
        if one.way == DRAFT
    ]
    return Part(figures, [asdict(one) for one in timings])


def job_part(settings: Settings, sizes: Sizes) -> Part:
    """A whole job, cold and from kept embeddings, against the first peers."""
    from backend.cli.benchmark_job import measured as measured_job
    from backend.cli.benchmark_job import times
    from backend.evaluation.job_speed import COLD, job_images

    costs, kept = measured_job(
        *(settings, job_images(sizes.images, things=THINGS)),
        things=THINGS,
        peer_images=sizes.peer_images,
        rounds=sizes.rounds,
    )
    ratios = times(costs)
    figures = [
        Figure(
            f"job, {'cold' if one['way'] == COLD else 'kept'}; {one['peer']}",
            *(one["cpu"], "times as fast", 4.0 if one["way"] == COLD else 10.0, "at least"),
        )
        for one in ratios
    ]
    return Part(figures, {"costs": [asdict(one) for one in costs], "times": ratios, "kept": dict(kept)})


def start_part(settings: Settings, sizes: Sizes) -> Part:  # noqa: ARG001 - as all parts
    """How soon a worker is ready, and its memory."""
    from backend.cli.benchmark_start import LABELS, TARGETS, start_figures

    seen = start_figures(rounds=sizes.rounds)
    figures = [
        Figure(f"worker, {label}", seen[name], "", TARGETS.get(name)) for name, label in LABELS.items()
    ]
    return Part(figures, seen)


def things_part(settings: Settings, sizes: Sizes) -> Part:
    """Seconds an image against things in it."""
    from backend.evaluation.search_speed import growing_things

    costs = growing_things(opened(settings)[0], sizes.things, rounds=sizes.rounds)
    points = [(float(one.things), one.image_ms / 1000) for one in costs]
    return grown("things", "Things in an image of 1 megapixel", "things in the image", points, costs)


def pixels_part(settings: Settings, sizes: Sizes) -> Part:
    """Seconds an image against its pixels."""
    from backend.evaluation.search_speed import growing_pixels

    costs = growing_pixels(opened(settings)[0], sizes.megapixels, rounds=sizes.rounds)
    points = [(one.megapixels, one.image_ms / 1000) for one in costs]
    return grown("megapixels", "Pixels of an image with 10 things", "megapixels", points, costs)


def grown(
    name: str, title: str, label: str, points: Sequence[tuple[float, float]], costs: Sequence[SearchCost]
) -> Part:
    """Growth of the seconds of an image: the last against the first, where linear would be 1."""
    from backend.evaluation.plot import Panel, Series

    (first, first_s), (last, last_s) = points[0], points[-1]
    share = (last_s / first_s) / (last / first)
    figure = Figure(f"growth, {first:.3g} to {last:.3g} {name}", share, "of what linear would be", 1.0)
    panel = Panel(title, label, "seconds an image (CPU)", (Series("this program", tuple(points)),))
    return Part([figure], [told(one) for one in costs], [panel])


def workers_part(settings: Settings, sizes: Sizes) -> Part:  # noqa: ARG001 - as all parts
    """Images a minute against workers."""
    return workers_growth([throughput(count, images=sizes.images) for count in sizes.workers])


def workers_growth(figures: Sequence[Throughput]) -> Part:
    """Growth of the images a minute: the last against the first, where linear would be 1."""
    from backend.evaluation.plot import Panel, Series

    first, last = figures[0], figures[-1]
    share = (last.per_minute_by_cpu / first.per_minute_by_cpu) / (last.workers / first.workers)
    figure = Figure(f"growth, {first.workers} to {last.workers} workers", share, "of linear", 0.9, "at least")
    curves = (
        Series("a core each", tuple((float(one.workers), one.per_minute_by_cpu) for one in figures)),
        Series("as clocked", tuple((float(one.workers), one.per_minute) for one in figures)),
    )
    panel = Panel("Workers of one thread", "workers", "images a minute", curves, logarithmic=False)
    return Part([figure], [told_throughput(one) for one in figures], [panel])


PARTS: dict[str, Callable[[Settings, Sizes], Part]] = {
    "encoder": encoder_part,
    "search": search_part,
    "rle": rle_part,
    "image": image_part,
    "job": job_part,
    "start": start_part,
    "things": things_part,
    "pixels": pixels_part,
    "workers": workers_part,
}
