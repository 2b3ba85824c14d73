"""``oneshot up``: web process, worker and queue for a Label Studio that is there already."""

import signal
import sys
from pathlib import Path

import click

from backend.settings import Settings


@click.command()
@click.option(
    "--logs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".demo/logs"),
    show_default=True,
    help="Folder for the programs' logs.",
)
def up(logs: Path) -> None:
    """Run the web process, one worker and the queue for your own Label Studio, until Ctrl-C.

    LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY say which; REDIS_URL replaces the embedded queue.

    Example: LABEL_STUDIO_URL=http://localhost:8080 LABEL_STUDIO_API_KEY=... oneshot up
    """
    from rich.console import Console

    from backend.demo.serve import ServeOptions, serve

    settings = Settings()
    if not settings.label_studio_api_key.get_secret_value():
        raise click.UsageError(
            "LABEL_STUDIO_API_KEY is not set: copy a token from Label Studio, Account & Settings, "
            "Personal Access Token, and set LABEL_STUDIO_URL too if it is not http://localhost:8080"
        )
    options = ServeOptions(
        label_studio_url=settings.label_studio_url,
        label_studio_api_key=settings.label_studio_api_key.get_secret_value(),
        redis_url=settings.redis_url if "redis_url" in settings.model_fields_set else None,
        host=settings.oneshot_host,
        port=settings.oneshot_port,
        logs=logs,
    )
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM)
    )  # unwinds, so everything is stopped
    serve(options, Console())
