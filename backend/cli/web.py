"""``oneshot web``: what Label Studio talks to."""

import logging

import click

from backend.settings import Settings

logger = logging.getLogger(__name__)


@click.command()
@click.option("--host", help="Address to listen on [ONESHOT_HOST].")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on [ONESHOT_PORT].")
def web(host: str | None, port: int | None) -> None:
    """Answer Label Studio and show the status page; the work itself is done by `oneshot worker`.

    Example: REDIS_URL=redis://localhost:6379/0 oneshot web --port 9090
    """
    settings = Settings()
    _serve(settings, host=host or settings.oneshot_host, port=port or settings.oneshot_port)


def _serve(settings: Settings, *, host: str, port: int) -> None:
    from backend.jobs.connection import connect
    from backend.jobs.errors import QueueUnavailableError
    from backend.jobs.progress import Progress
    from backend.jobs.queue import JobQueue
    from backend.jobs.version import checkpoint_slug
    from backend.web.app import create_app
    from backend.web.server import end_on_sigterm, listen

    end_on_sigterm()
    connection = connect(settings.redis_url)
    queue = JobQueue(connection, **settings.of_jobs)
    checkpoint = checkpoint_slug(settings.oneshot_sam)
    app = create_app(
        queue,
        Progress(connection),
        checkpoint=checkpoint,
        auth=_credentials(settings),
        label_studio_url=settings.label_studio_public_url,
        label_studio_guess=settings.label_studio_url,
        interactive=settings.oneshot_interactive,
        interactive_s=settings.oneshot_interactive_s,
        learns=settings.oneshot_learning != "never",
    )
    try:
        server = listen(app, host=host, port=port)
    except OSError as exc:
        problem = f"expected to listen on {host}:{port}, got: {exc.strerror or exc}"
        raise click.ClickException(f"{problem}; choose another --host or --port") from exc
    logger.info("web process listens on http://%s:%d", host, port)
    try:
        queue.ping()
    except QueueUnavailableError as exc:
        logger.warning("%s; until it answers, /health says 503", exc)
    server.run()


def _credentials(settings: Settings) -> tuple[str, str] | None:
    user_name, password = settings.oneshot_basic_auth_user, settings.oneshot_basic_auth_password
    return (user_name, password.get_secret_value()) if user_name else None
