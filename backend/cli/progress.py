"""Progress: a bar on a terminal, plain lines otherwise."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[str], None]]:
    """Give a function that says one line and counts one of *total* as done.

    The bar is on standard error and leaves no trace; the lines go to standard output, above the bar. An empty
    line is not said.
    """
    if not sys.stderr.isatty():
        yield lambda line: click.echo(line) if line else None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
    with bar:
        task = bar.add_task(title, total=total)

        def done(line: str) -> None:
            if not line:
                pass
            elif sys.stdout.isatty():  # through the bar, or both would write over each other
                bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                click.echo(line)
            bar.advance(task)

        yield done
