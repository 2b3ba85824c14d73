"""Label Studio is killed and started again in the middle of a run, and it answers badly or not at all."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from backend.demo.label_studio import (
    LabelStudioServer,
    copy_data_dir,
    migrated_data_dir,
    start_label_studio,
)
from backend.demo.processes import Processes, free_port
from tests.annotator import Annotator, annotator_at
from tests.conftest import LABEL_STUDIO_ENVIRONMENT
from tests.proof.conftest import NewProject
from tests.proof.project import check, wait_for_run, wait_until_finished
from tests.proof.proxy import FAULTS, Proxy, serve
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio]

AWAY_S = 60.0
SHARE = 0.2  # of the requests go wrong
TIMES = 3  # that each of the faults happens
FETCH_TIMEOUT_S = "2"  # shorter than the proxy hangs


class OwnLabelStudio:
    """A Label Studio that may be killed, on data of its own.

    Args:
        folder: for its data and its logs.
        template: data of a first start.
    """

    def __init__(self, folder: Path, template: Path) -> None:
        self._folder, self._port = folder, free_port()
        copy_data_dir(template, folder / "data")
        self._processes = Processes(folder / "logs")
        self.server = self.start()

    def start(self) -> LabelStudioServer:
        """Start it, again at the same address."""
        return start_label_studio(
            *(self._processes,),
            environment=LABEL_STUDIO_ENVIRONMENT,
            data_dir=self._folder / "data",
            port=self._port,
        )

    def kill(self) -> None:
        """As ``kill -9``, its whole process group."""
        self._processes.stop(grace_s=0)


@pytest.fixture(scope="module")
def own(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnLabelStudio]:
    template = migrated_data_dir(
        pytestconfig.cache.mkdir("label-studio"), environment=LABEL_STUDIO_ENVIRONMENT
    )
    own = OwnLabelStudio(tmp_path_factory.mktemp("own-label-studio"), template)
    yield own
    own.kill()


@pytest.fixture(scope="module")
def label_studio(own: OwnLabelStudio) -> LabelStudioServer:
    """The one that is killed."""
    return own.server


@pytest.fixture(scope="module")
def annotator(label_studio: LabelStudioServer) -> Annotator:
    """Its user."""
    return annotator_at(label_studio)


@pytest.fixture(scope="module")
def proxy(label_studio: LabelStudioServer) -> Iterator[Proxy]:
    with serve(Proxy(label_studio.url, seed=3)) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def stack(start: Callable[..., Stack], proxy: Proxy) -> Stack:
    return start(
        label_studio_url=proxy.url, oneshot_fetch_timeout_s=FETCH_TIMEOUT_S, oneshot_reconcile_s="10"
    )


def test_a_run_waits_for_label_studio_and_goes_on(
    stack: Stack, own: OwnLabelStudio, annotator: Annotator, new_project: NewProject
) -> None:
    """Killed and started again: no task fails for it, and the status page says what is the matter."""
    project = new_project("Label Studio is killed")
    annotator.connect(project.id, stack.url)
    project.annotate()
    wait_until_finished(stack, project, 20)

    own.kill()
    stack.wait_for(lambda: bool(stack.status()["label_studio"]["down"]), what="the outage is noticed")
    time.sleep(AWAY_S)
    own.start()
    wait_for_run(stack, project)

    assert check(stack, project) == {}
    assert not stack.status()["label_studio"]["down"]


def _happened_often(proxy: Proxy) -> bool:
    return all(proxy.happened[fault] >= TIMES for fault in FAULTS)


def test_answers_that_fail_hang_or_break_off_cost_no_task(
    stack: Stack, proxy: Proxy, annotator: Annotator, new_project: NewProject
) -> None:
    """A fifth of all requests: errors, 429 with Retry-After, silence, half an answer, an answer lost."""
    project = new_project("Bad answers")
    annotator.connect(project.id, stack.url)
    project.annotate()
    wait_until_finished(stack, project, 10)

    proxy.share = SHARE
    try:
        often = partial(_happened_often, proxy)
        stack.wait_for(often, what="each fault has happened", timeout_s=120)
    finally:
        proxy.share = 0.0
    wait_for_run(stack, project)

    assert check(stack, project) == {}
