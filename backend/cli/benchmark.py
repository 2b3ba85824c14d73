"""``oneshot benchmark``: the figures of the README, measured on this machine."""

import click

from backend.cli.benchmark_all import everything
from backend.cli.benchmark_encoder import encoder
from backend.cli.benchmark_gpu import gpu
from backend.cli.benchmark_image import image
from backend.cli.benchmark_job import job
from backend.cli.benchmark_queue import queue
from backend.cli.benchmark_rle import rle
from backend.cli.benchmark_smart_tools import smart_tools
from backend.cli.benchmark_start import start
from backend.cli.benchmark_vision import search
from backend.cli.benchmark_web import web
from backend.cli.benchmark_worker import worker
from backend.cli.benchmark_workers import workers


@click.group()
def benchmark() -> None:
    """Measure this program on this machine.

    Example: oneshot benchmark all
    """


benchmark.add_command(everything)
benchmark.add_command(encoder)
benchmark.add_command(gpu)
benchmark.add_command(image)
benchmark.add_command(job)
benchmark.add_command(queue)
benchmark.add_command(rle)
benchmark.add_command(smart_tools)
benchmark.add_command(search)
benchmark.add_command(start)
benchmark.add_command(web)
benchmark.add_command(worker)
benchmark.add_command(workers)
