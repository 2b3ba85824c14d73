"""The demo from start to end: start everything, paint one mask, watch the predictions arrive."""

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from xml.sax.saxutils import quoteattr

from rich.console import Console

from backend.demo.coins import COIN_COUNTS, demo_images, reference_mask
from backend.demo.errors import DemoSetupError
from backend.demo.images import image_files
from backend.demo.label_studio import LabelStudioServer, start_label_studio
from backend.demo.outcome import Row, print_outcome, require_outcome
from backend.demo.processes import Processes
from backend.demo.project import DemoProject
from backend.demo.services import Services, port_near, run_until_interrupted, start_services
from backend.demo.valkey import start_valkey
from backend.demo.watch import (
    ProjectStatus,
    TaskOutcome,
    outcome_display,
    project_status,
    wait_for_predictions,
    wait_for_reference,
)

LABEL_STUDIO_PORT, WEB_PORT = 8080, 9090


@dataclass(frozen=True)
class DemoOptions:
    """What a run of the demo is told.

    Attributes:
        label_config: the project's label config, XML.
        label_studio_environment: the virtual environment that holds Label Studio.
        data_dir: where Label Studio's data, the logs and the lock lie.
        images: folder with the user's own images; None for the coins.
        label: the label of the user's own things.
        once: end after the predictions instead of at Ctrl-C.
    """

    label_config: str
    label_studio_environment: Path
    data_dir: Path
    images: Path | None = None
    label: str = "Object"
    once: bool = False


@dataclass(frozen=True)
class Stage:
    """Everything that runs while the demo plays."""

    console: Console
    processes: Processes
    server: LabelStudioServer
    web_url: str


def run_demo(options: DemoOptions, console: Console) -> None:
    """Play the demo; whatever happens, everything it started has ended afterwards.

    Raises:
        DemoSetupError: something it needs is not there.
        DemoProcessError: a program it started ended or did not answer.
        DemoOutcomeError: the predictions are not what must come out.
    """
    files = _own_files(options.images) if options.images else _coin_files()
    with only_one(options.data_dir), running_stage(options, console) as stage:
        _play(stage, options, files)
        if not options.once:
            run_until_interrupted(stage.processes, lambda: say(console, "\nCtrl-C stops everything"))


@contextmanager
def running_stage(options: DemoOptions, console: Console) -> Iterator[Stage]:
    """Start the queue, Label Studio, the web process and a worker; stop them at the end."""
    logs = options.data_dir / "logs"
    with Processes(logs) as processes:
        say(console, f"Starting the queue and Label Studio (its first start takes a minute; logs in {logs})")
        redis_url = start_valkey(processes)
        server = start_label_studio(
            processes,
            environment=options.label_studio_environment,
            data_dir=options.data_dir / "label-studio",
            port=_port(console, LABEL_STUDIO_PORT, "Label Studio"),
        )
        say(console, "Starting the web process and a worker")
        port = _port(console, WEB_PORT, "the web process")
        services = Services(server.url, server.token, redis_url, host="127.0.0.1", port=port)
        web_url = start_services(processes, services, more_settings={"ONESHOT_BASIC_AUTH_USER": ""})
        yield Stage(console, processes, server, web_url)
        say(console, "Stopping")


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the demo's data for this process alone.

    Raises:
        DemoSetupError: another demo uses it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise DemoSetupError(f"a demo runs already on {data_dir}; end that one first") from exc
        yield


def label_config_for(label_config: str, label: str) -> str:
    """The label config with *label* instead of the coins'."""
    return label_config.replace('value="Coin"', f"value={quoteattr(label)}")


def _play(stage: Stage, options: DemoOptions, files: list[tuple[str, bytes]]) -> None:
    config = label_config_for(options.label_config, options.label) if options.images else options.label_config
    title = f"oneshot demo {datetime.now(tz=UTC).astimezone():%Y-%m-%d %H:%M:%S}"
    expected = None if options.images else {f"{name}.png": count for name, count in COIN_COUNTS.items()}
    with closing(
        DemoProject(stage.server.url, stage.server.token, title=title, label_config=config)
    ) as project:
        names = project.import_images(files)
        project.connect_backend(stage.web_url)
        say(stage.console, f"{len(names)} images imported, the backend is connected")
        status = partial(project_status, stage.web_url, project.id)
        if options.images:
            _wait_for_painting(stage, project, status)
        else:
            _paint_one_coin(stage, project, names)
        rows = _watch(stage, project, status, names)
        print_outcome(stage.console, rows, expected)
        _print_address(stage, project)
        if options.once:
            require_outcome(rows, expected)


def _paint_one_coin(stage: Stage, project: DemoProject, names: Mapping[int, str]) -> None:
    reference = demo_images()[0]
    task = next(task for task, name in names.items() if name == f"{reference.name}.png")
    project.annotate(task, reference_mask(reference))
    say(stage.console, f"One coin painted on {names[task]} and submitted")


def _wait_for_painting(stage: Stage, project: DemoProject, status: Callable[[], ProjectStatus]) -> None:
    _print_address(stage, project)
    say(
        stage.console,
        "Now paint one object with the brush, on any image, and press Submit. Waiting for it ...",
    )
    wait_for_reference(status, still_running=stage.processes.require_running)


def _watch(
    stage: Stage, project: DemoProject, status: Callable[[], ProjectStatus], names: Mapping[int, str]
) -> list[Row]:
    tasks = sorted(names.keys() - project.annotated_tasks())
    with outcome_display(stage.console, len(tasks), names) as show:
        outcomes = wait_for_predictions(
            status, tasks, show=show, still_running=stage.processes.require_running
        )
    version = status().model_version
    return [_row(project, outcomes[task], names[task], version) for task in tasks]


def _row(project: DemoProject, outcome: TaskOutcome, image: str, model_version: str | None) -> Row:
    stored = [found for found in project.predictions(outcome.task_id) if found.model_version == model_version]
    row = partial(Row, outcome.task_id, image, seconds=outcome.seconds)
    if len(stored) != 1:
        why = outcome.reason or f"{len(stored)} predictions of version {model_version}"
        return row(instances=None, confidence=None, reason=why)
    return row(instances=stored[0].instances, confidence=outcome.confidence)


def _print_address(stage: Stage, project: DemoProject) -> None:
    login = f"log in as {stage.server.email} with the password {stage.server.password}"
    say(stage.console, f"\nThe project: {project.url}\n{login}")


def say(console: Console, text: str) -> None:
    """Print a line as it is: neither coloured nor broken, so that addresses and paths can be copied."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def _port(console: Console, preferred: int, program: str) -> int:
    port = port_near(preferred)
    if port != preferred:
        say(console, f"Port {preferred} is in use: {program} takes {port}")
    return port


def _coin_files() -> list[tuple[str, bytes]]:
    return [(f"{image.name}.png", image.png()) for image in demo_images()]


def _own_files(folder: Path) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in image_files(folder)]
