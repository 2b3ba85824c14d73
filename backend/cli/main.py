"""The command ``oneshot``: one file per subcommand, loaded when it is asked for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import click
from pydantic import ValidationError

from backend.cli.log import configure_logging
from backend.settings import Settings

COMMANDS = (
    "demo",
    "up",
    "web",
    "worker",
    "prelabel",
    "report",
    "doctor",
    "segment",
    "evaluate",
    "fit",
    "benchmark",
    "checkpoints",
)
ERROR_TREES = (
    ("backend.vision.errors", "VisionError"),
    ("backend.checkpoints.errors", "CheckpointError"),
    ("backend.labelstudio.errors", "LabelStudioError"),
    ("backend.jobs.errors", "JobsError"),
    ("backend.worker.errors", "WorkerError"),
    ("backend.evaluation.errors", "EvaluationError"),
    ("backend.demo.errors", "DemoError"),
)


class LazyGroup(click.Group):
    """Subcommands from ``backend/cli/NAME.py``; our own errors end as one line, never as a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the subcommands in the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the subcommand's module and take the command of the same name out of it."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"backend.cli.{cmd_name}"), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(
                f"backend.cli.{cmd_name}.{cmd_name}: expected a click command, got {type(command)}"
            )
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the subcommand; exit 1 when its work failed, 2 when a setting is wrong."""
        with errors_as_one_line():
            return super().invoke(ctx)


@contextmanager
def errors_as_one_line() -> Iterator[None]:
    """Turn a wrong setting into a usage error, and an error of our own trees into a failure."""
    try:
        yield
    except ValidationError as exc:
        if exc.title != Settings.__name__:
            raise
        raise click.UsageError(settings_message(exc)) from exc
    except ModuleNotFoundError as exc:
        if (exc.name or "backend").startswith("backend"):
            raise
        raise click.ClickException(missing_package_message(exc)) from exc
    except own_errors() as exc:
        raise click.ClickException(str(exc)) from exc


def missing_package_message(error: ModuleNotFoundError) -> str:
    """Say that an extra is missing: web and worker are installed apart where they run apart."""
    return (
        f"the Python package {error.name} is not installed here; `make setup` installs everything, and "
        "`pip install '.[web]'`, `'.[worker]'`, `'.[embedded]'` or `'.[evaluation]'` what one role needs"
    )


def settings_message(error: ValidationError) -> str:
    """Name each wrong environment variable, what is wrong with it, and its value unless it may be secret."""
    return "; ".join(
        f"{'.'.join(str(part) for part in detail['loc']).upper()}: {detail['msg']}"
        for detail in error.errors(include_url=False, include_input=False, include_context=False)
    )


def own_errors() -> tuple[type[Exception], ...]:
    """The roots of our error trees. Imported here, after something went wrong, to keep the start quick."""
    return tuple(getattr(import_module(module), name) for module, name in ERROR_TREES)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="label-studio-oneshot")
def main() -> None:
    """One annotated mask in, a pre-annotated Label Studio project out.

    Example: oneshot segment --reference coin.jpg --mask coin.png --out found *.jpg
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "0")  # before torch: its idle threads must not keep busy cores
    settings = Settings()
    configure_logging(settings.oneshot_log_level, settings.oneshot_log_format)
