"""``oneshot benchmark``: the figures of the README, measured on this machine."""

import click

from backend.cli.benchmark_queue import queue
from backend.cli.benchmark_web import web
from backend.cli.benchmark_worker import worker


@click.group()
def benchmark() -> None:
    """Measure this program on this machine.

    Example: oneshot benchmark web --requests 1000
    """


benchmark.add_command(queue)
benchmark.add_command(web)
benchmark.add_command(worker)
