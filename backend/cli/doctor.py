"""``oneshot doctor``: why does nothing happen?"""

import json
import os

import click

from backend.settings import Settings


@click.command()
@click.option(
    "--project",
    type=click.IntRange(1, 2**63 - 1),
    help="Id of a Label Studio project, whose connections, reference and images are looked at, too.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(*, project: int | None, as_json: bool) -> None:
    """Find out why nothing happens: look at all that is needed, and say what to do about each trouble.

    To be run with the settings of a worker, best on its host. Changes nothing. Exits 0 if nothing is wrong
    (there may be warnings), 1 if something is.

    Example: oneshot doctor --project 2
    """
    from rich.console import Console

    from backend.doctor.doctor import examine
    from backend.doctor.report import as_values, show, summary

    console = Console()
    examination = examine(
        Settings(),
        project,
        environment=os.environ,
        show=lambda findings: None if as_json else show(console, findings),
    )
    if as_json:
        click.echo(json.dumps(as_values(examination.findings, project_id=project)))
    else:
        click.echo(f"\n{summary(examination.findings)}")
    if not examination.is_well:
        raise click.exceptions.Exit(1)
