"""How benchmarks print figures that have targets."""

import json
from collections.abc import Mapping

import click


def print_figures(figures: Mapping[str, float], targets: Mapping[str, float], *, as_json: bool) -> None:
    """Print all figures, beside some the most that they should be.

    Args:
        figures: by name.
        targets: the most that a figure should be, by name.
        as_json: for programs.

    Raises:
        Exit: with 1 where a figure misses its target.
    """
    missed = [name for name, target in targets.items() if figures[name] > target]
    if as_json:
        click.echo(json.dumps({**figures, "targets": targets, "missed": missed}))
    else:
        for name, value in figures.items():
            target = f"at most {targets[name]:g}" if name in targets else ""
            click.echo(f"{name:28} {value:9.2f}   {target}{'   MISSED' if name in missed else ''}")
    if missed:
        raise click.exceptions.Exit(1)
