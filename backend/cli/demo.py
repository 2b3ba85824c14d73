"""``oneshot demo``: see the whole way on this machine, with the real Label Studio."""

import signal
import sys
from pathlib import Path

import click

CHECKOUT = Path(__file__).resolve().parents[2]


@click.command()
@click.option("--once", is_flag=True, help="End after the predictions: exit 0 if they are right, else 1.")
@click.option(
    "--images",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with your own images; you paint the first mask in the browser.",
)
@click.option("--label", default="Object", show_default=True, help="Label for your own images.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=CHECKOUT / ".demo",
    help="Folder for Label Studio's data and the logs [.demo].",
)
def demo(*, once: bool, images: Path | None, label: str, data: Path) -> None:
    """One mask in, a pre-annotated project out: on coins, in a Label Studio of its own.

    Example: oneshot demo --images ~/photos
    """
    from rich.console import Console

    from backend.demo.session import DemoOptions, run_demo

    options = DemoOptions(
        label_config=(CHECKOUT / "label_config.xml").read_text(),
        label_studio_environment=CHECKOUT / ".venv-label-studio",
        data_dir=data,
        images=images,
        label=label,
        once=once,
    )
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM)
    )  # unwinds, so everything is stopped
    run_demo(options, Console())
