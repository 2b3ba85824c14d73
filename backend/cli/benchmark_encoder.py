"""``oneshot benchmark encoder``: the image encoder against its ONNX file."""

import json

import click

from backend.settings import Settings


@click.command()
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(min=1), help="How often each.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def encoder(*, rounds: int, as_json: bool) -> None:
    """Time MobileSAM's image encoder in torch and in onnxruntime, in turn, on the same pixels.

    The least of all rounds counts. ONESHOT_THREADS bounds the threads of both; with 1, CPU time says most on
    a machine with other work to do.

    Example: oneshot benchmark encoder --rounds 15
    """
    from backend.evaluation.encoder_speed import PACKAGES, encoder_speed
    from backend.evaluation.speed import machine, report, told

    settings = Settings()
    timings = encoder_speed(
        settings.oneshot_cache,
        rounds=rounds,
        threads=settings.oneshot_threads,
        precision=settings.oneshot_precision,
    )
    facts = machine(PACKAGES) | {"threads": str(settings.oneshot_threads or "all"), "rounds": str(rounds)}
    click.echo(json.dumps(report(timings, facts)) if as_json else told(timings, facts))
