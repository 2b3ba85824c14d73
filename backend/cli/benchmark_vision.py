"""``oneshot benchmark search``: what everything after the image encoder costs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from backend.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backend.evaluation.search_speed import FitCost, PeerModel, SearchCost
    from backend.vision.pipeline import Models

PACKAGES = ("torch", "transformers", "numpy")


@click.command()
@click.option(
    "--things", default="1,3,10,30,100,300", show_default=True, help="Numbers of things in a scene."
)
@click.option(
    "--megapixels", default="0.3,1,3,12,50", show_default=True, help="Sizes of scenes of 10 things."
)
@click.option("--peers", default="1,10", show_default=True, help="Numbers of things that peers search, too.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="How often each.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def search(*, things: str, megapixels: str, peers: str, rounds: int, as_json: bool) -> None:
    """Time the search and the check against the encoder, against peers, and as scenes grow.

    The scenes are made of coins. The peers are transformers' SAM in the report's loop, with one decode an
    instance and with PerSAM's three, and PerSAM-F's fit as published; all have the weights of ONESHOT_SAM.
    CPU time of all cores counts, the least of all rounds; with ONESHOT_THREADS=1 other work on the machine
    disturbs it least.

    Example: ONESHOT_THREADS=1 oneshot benchmark search --things 1,10,100 --megapixels 1,12
    """
    from backend.evaluation.search_speed import fit_cost, growing_pixels, growing_things, peer_costs
    from backend.evaluation.speed import machine

    settings = Settings()
    models, model = opened(settings)
    costs = [
        *growing_things(models, [int(one) for one in numbers(things)], rounds=rounds),
        *growing_pixels(models, numbers(megapixels), rounds=rounds),
        *peer_costs(models, model, [int(one) for one in numbers(peers)], rounds=rounds),
    ]
    fit = fit_cost(models, model)
    facts = machine(PACKAGES) | {
        "threads": str(settings.oneshot_threads or "all"),
        "rounds": str(rounds),
        "sam": settings.oneshot_sam,
        "semantics": settings.oneshot_semantics,
    }
    if as_json:
        click.echo(json.dumps({"machine": facts, "costs": [told(one) for one in costs], "fit": asdict(fit)}))
    else:
        click.echo(
            "\n".join([*("  ".join(pair) for pair in facts.items()), "", *table(costs), "", *said(fit)])
        )


def opened(settings: Settings) -> tuple[Models, PeerModel]:
    """The models of the pipeline, and transformers' own model with the same weights."""
    from backend.evaluation.search_speed import peer_model
    from backend.worker.models import configured_models

    place: dict[str, Any] = {"cache_dir": settings.oneshot_cache, "device": settings.oneshot_device}
    model = peer_model(settings.oneshot_sam, **place)
    if model is None:
        raise click.ClickException(
            "expected a checkpoint of the first SAM on a CPU, which the peers can use, got "
            f"{settings.oneshot_sam!r} on {settings.oneshot_device!r}; set ONESHOT_SAM=mobilesam and "
            "ONESHOT_DEVICE=cpu"
        )
    return configured_models(settings), model


def numbers(text: str) -> list[float]:
    """Numbers above 0 with commas between them; none of an empty text."""
    try:
        found = [float(part) for part in text.split(",") if part.strip()]
    except ValueError as exc:
        raise click.UsageError(f"expected numbers with commas between them, got {text!r}") from exc
    if any(number <= 0 for number in found):
        raise click.UsageError(f"expected numbers above 0, got {text!r}")
    return found


def told(cost: SearchCost) -> dict[str, Any]:
    """One cost, as JSON takes it."""
    return asdict(cost) | {"ratio": cost.ratio, "instance_ms": cost.instance_ms}


def table(costs: Sequence[SearchCost]) -> list[str]:
    """The costs, a line each; of peers also how many times the pipeline's cost of an instance theirs is."""
    own = {one.things: one.instance_ms for one in reversed(costs) if one.way == "pipeline"}
    heads = (
        f"{'way':12}{'things':>7}{'MP':>7}{'found':>7}{'F1':>7}{'decode ms':>11}{'encode ms':>11}"
        f"{'check ms':>10}{'after ms':>10}{'after/encode':>14}{'ms/instance':>13}{'times ours':>12}"
    )
    lines = [heads]
    for one in costs:
        times = one.instance_ms / own[one.things] if one.way != "pipeline" and one.things in own else None
        lines.append(
            f"{one.way:12}{one.things:7}{one.megapixels:7.1f}{one.found:7}{one.f1:7.3f}{one.decode_ms:11.0f}{one.encode_ms:11.0f}"
            f"{one.check_ms:10.0f}{one.after_ms:10.0f}{one.ratio:14.2f}{one.instance_ms:13.1f}"
            f"{'' if times is None else f'{times:.1f}':>12}"
        )
    return lines


def said(fit: FitCost) -> list[str]:
    """PerSAM-F's fit, in lines."""
    ours, theirs = (" ".join(f"{one:.2f}" for one in some) for some in (fit.weights, fit.published_weights))
    times = f"{fit.published_ms / fit.fit_ms:.0f} times"
    return [
        f"PerSAM-F's fit: {fit.fit_ms:.0f} ms, as published {fit.published_ms / 1000:.1f} s: {times}",
        f"weights {ours} (loss {fit.loss:.5f}), as published {theirs} (loss {fit.published_loss:.5f})",
    ]
