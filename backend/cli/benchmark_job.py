"""``oneshot benchmark job``: what a whole job costs, cold, from kept embeddings, and peers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from backend.settings import Settings

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from backend.evaluation.job_speed import JobCost, JobImage

PACKAGES = ("torch", "transformers", "onnxruntime", "numpy", "pillow")
MOST_KEPT_BYTES = 16 * 2**30  # about 4 MB an image and tile
LEFT_OUT = "the peers are left out: they need ONESHOT_SAM=mobilesam and ONESHOT_DEVICE=cpu"


@click.command()
@click.option("--images", default=50, show_default=True, type=click.IntRange(min=1), help="How many in all.")
@click.option(
    "--things", default=10, show_default=True, type=click.IntRange(min=1), help="Coins in each image."
)
@click.option(
    "--peer-images", default=3, show_default=True, type=click.IntRange(min=0), help="Images for the peers."
)
@click.option("--rounds", default=1, show_default=True, type=click.IntRange(min=1), help="How often each.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def job(*, images: int, things: int, peer_images: int, rounds: int, as_json: bool) -> None:
    """Time a whole job of scenes of coins: from JPEGs to Label Studio's brush code, with one reference.

    This program without a cache, and from embeddings that it has kept in a temporary folder. The peers are
    transformers' SamModel in the report's loop, one decode an instance: with its own image encoder of the
    size of facebook/sam-vit-base (random weights, its answers are thrown away), and with MobileSAM's
    published one in onnxruntime; with the latter also PerSAM's three decodes an instance. With
    ONESHOT_THREADS=1 other work on the machine disturbs the CPU time least.

    Example: ONESHOT_THREADS=1 oneshot benchmark job --images 10 --peer-images 2
    """
    from backend.evaluation.job_speed import SIZE_HW, job_images
    from backend.evaluation.speed import machine

    settings = Settings()
    costs, kept = measured(
        settings, job_images(images, things=things), things=things, peer_images=peer_images, rounds=rounds
    )
    facts = machine(PACKAGES) | {
        "threads": str(settings.oneshot_threads or "all"),
        "rounds": str(rounds),
        "sam": settings.oneshot_sam,
        "semantics": settings.oneshot_semantics,
        "pixels": f"{SIZE_HW[1]} x {SIZE_HW[0]}",
        "things": str(things),
        "kept embeddings": ", ".join(f"{count} {name}" for name, count in kept.items()),
    }
    ratios = times(costs)
    left_out = [LEFT_OUT] if peer_images and not ratios else []
    if as_json:
        told = [asdict(one) | {"images_per_minute": one.images_per_minute} for one in costs]
        click.echo(json.dumps({"machine": facts, "costs": told, "times": ratios, "left_out": left_out}))
    else:
        lines = ["  ".join(pair) for pair in facts.items()]
        click.echo("\n".join([*lines, "", *table(costs), "", *said(ratios), *left_out]))


def measured(
    settings: Settings, images: Sequence[JobImage], *, things: int, peer_images: int, rounds: int
) -> tuple[list[JobCost], Counter[str]]:
    """The cost of each way, and how often kept embeddings were found, and not found, while it was timed."""
    from backend.evaluation.job_peers import peer_ways
    from backend.evaluation.job_speed import COLD, KEPT, job_costs, job_reference, own_way, sent
    from backend.worker.embedding_cache import EmbeddingCache
    from backend.worker.models import configured_models
    from backend.worker.search_options import search_options

    options, threads = search_options(settings), settings.oneshot_threads
    place: dict[str, Any] = {"cache_dir": settings.oneshot_cache, "device": settings.oneshot_device}
    shape: dict[str, Any] = {"sam": settings.oneshot_sam, "threads": threads, **place}
    with TemporaryDirectory(prefix="oneshot-benchmark-") as folder:
        cache = EmbeddingCache(Path(folder), max_bytes=MOST_KEPT_BYTES)
        cold, keeping = (configured_models(settings, cache=one) for one in (None, cache))
        reference = job_reference(cold, options, things=things)
        peers = peer_ways(reference=reference, at_most=2 * things, **shape) if peer_images else []
        kept = own_way(KEPT, keeping, reference, options)
        for image in images:
            sent(image, kept)
        cache.counts.clear()
        ways = own_way(COLD, cold, reference, options), kept
        return job_costs(images, ways, peers, peer_images=peer_images, rounds=rounds), cache.counts


def times(costs: Sequence[JobCost]) -> list[dict[str, Any]]:
    """How many times as fast as the first peers this program is, by CPU time and on the wall."""
    from backend.evaluation.job_peers import FIRST_PEERS
    from backend.evaluation.job_speed import COLD, KEPT

    by_way = {one.way: one for one in costs}
    return [
        {
            "way": own,
            "peer": peer,
            "cpu": by_way[peer].cpu_ms / by_way[own].cpu_ms,
            "images_per_minute": by_way[own].images_per_minute / by_way[peer].images_per_minute,
        }
        for own in (COLD, KEPT)
        for peer in FIRST_PEERS
        if peer in by_way
    ]


def table(costs: Sequence[JobCost]) -> list[str]:
    """The costs, a line each."""
    width = max(len(one.way) for one in costs)
    heads = (
        f"{'an image':{width}}{'images':>8}{'found':>7}{'F1':>7}{'encode ms':>11}{'CPU ms':>9}{'wall ms':>9}"
        f"{'images/min':>12}"
    )
    return [heads] + [
        f"{one.way:{width}}{one.images:8}{one.found:7}{one.f1:7.3f}{one.encode_ms:11.0f}{one.cpu_ms:9.0f}"
        f"{one.wall_ms:9.0f}{one.images_per_minute:12.1f}"
        for one in costs
    ]


def said(ratios: Sequence[dict[str, Any]]) -> list[str]:
    """How many times as fast, in lines."""
    return [
        f"{one['way']}: {one['cpu']:.1f} times as fast as {one['peer']}, in CPU time; "
        f"{one['images_per_minute']:.1f} times the images per minute"
        for one in ratios
    ]
