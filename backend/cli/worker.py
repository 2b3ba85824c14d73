"""``oneshot worker``: compute predictions, job by job."""

import click

from backend.settings import Settings


@click.command()
def worker() -> None:
    """Compute predictions from the queue until Ctrl-C; the models stay loaded.

    Ctrl-C or SIGTERM finishes the task in hand and gives the rest back to the queue.

    Example: LABEL_STUDIO_URL=http://localhost:8080 LABEL_STUDIO_API_KEY=... oneshot worker
    """
    from backend.worker.start import run_worker

    run_worker(Settings())
