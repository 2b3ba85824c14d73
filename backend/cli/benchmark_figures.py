"""How benchmarks print figures that have targets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import click


@dataclass(frozen=True)
class Figure:
    """One measured value beside its floor.

    Attributes:
        name: of the value.
        value: in *unit*.
        unit: and what it is of.
        bound: the floor; None where there is none.
        sense: whether the bound is an upper or a lower one.
    """

    name: str
    value: float
    unit: str
    bound: float | None = None
    sense: Literal["at most", "at least"] = "at most"

    @property
    def missed(self) -> bool:
        """Whether the floor is not reached."""
        if self.bound is None:
            return False
        return self.value > self.bound if self.sense == "at most" else self.value < self.bound

    def __str__(self) -> str:
        """Give one line of the table."""
        floor = "" if self.bound is None else f"{self.sense} {self.bound:g}"
        missed = "MISSED" if self.missed else ""
        return f"{self.name:20} {self.value:10.2f}   {floor:13} {missed:6}   {self.unit}"


def lines(figures: Sequence[Figure]) -> list[str]:
    """What was seen beside what was aimed at, a line each."""
    width = max([len(figure.name) for figure in figures] or [0])
    told = [f"{'':{width}}{'seen':>11}   {'target':14}{'met':5}unit"]
    for one in figures:
        target = "" if one.bound is None else f"{one.sense} {one.bound:g}"
        met = "" if one.bound is None else ("NO" if one.missed else "yes")
        told.append(f"{one.name:{width}}{one.value:11.3g}   {target:14}{met:5}{one.unit}")
    return told


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
