"""``oneshot worker``: compute predictions, job by job."""

import os
import sys

import click

from backend.settings import Settings


@click.command()
@click.option(
    "-n",
    "--number",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Run N workers, each with its share of the cores, and start again those that die.",
)
@click.option("--supervised", is_flag=True, hidden=True, help="End when the process that started it has.")
def worker(*, number: int | None, supervised: bool) -> None:
    """Compute predictions from the queue until Ctrl-C; the models stay loaded.

    Ctrl-C or SIGTERM finishes the task in hand and gives the rest back to the queue. With -n each worker is
    a process of its own with the models loaded once; one that dies starts again after a growing pause.

    Example: LABEL_STUDIO_URL=http://localhost:8080 LABEL_STUDIO_API_KEY=... oneshot worker -n 4
    """
    settings = Settings()
    if number is None:
        from backend.worker.start import run_worker

        run_worker(settings, supervised=supervised)
    else:
        raise SystemExit(_supervise(settings, number))


def _supervise(settings: Settings, number: int) -> int:
    import socket

    from backend.jobs.connection import connect
    from backend.jobs.counters import Counters
    from backend.jobs.errors import QueueUnavailableError
    from backend.jobs.lost_workers import note_death
    from backend.worker.supervisor import Supervisor

    connection = connect(settings.redis_url)

    def mourn(pid: int) -> None:
        try:
            note_death(connection, socket.gethostname(), pid)
            Counters(connection).add({"worker:restarts": 1})
        except QueueUnavailableError:
            return  # then the heartbeat runs out, a minute later

    return Supervisor(
        [sys.executable, "-m", "backend.cli", "worker", "--supervised"],
        count=number,
        threads=settings.oneshot_threads or max(1, _cores() // number),
        stop_s=settings.oneshot_stop_s,
        on_death=mourn,
    ).run()


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
