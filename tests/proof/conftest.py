"""What the proofs stand on: the real Label Studio, and a stack of real processes for each module."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from backend.demo.label_studio import LabelStudioServer
from backend.demo.processes import Processes
from backend.demo.valkey import start_valkey
from tests.annotator import Annotator, annotator_at
from tests.conftest import NewLabelStudio
from tests.proof.project import ProofProject
from tests.stack import Stack, stack_environment, start_stack
from tests.tiny_sam import tiny_sam_model

Environment = Callable[..., dict[str, str]]
NewProject = Callable[..., ProofProject]


@pytest.fixture(scope="session")
def label_studio(new_label_studio: NewLabelStudio) -> Iterator[LabelStudioServer]:
    """One for the proofs alone: reconciliation would look at the projects that other tests left, too."""
    with new_label_studio("logs/proof") as server:
        yield server


@pytest.fixture(scope="session")
def annotator(label_studio: LabelStudioServer) -> Annotator:
    """The one user."""
    return annotator_at(label_studio)


@pytest.fixture
def new_project(annotator: Annotator) -> Iterator[NewProject]:
    """Creates projects, as ``ProofProject.create`` does; deletes them, for reconciliation finds them all."""
    created: list[int] = []

    def create(title: str, **options: Any) -> ProofProject:
        project = ProofProject.create(annotator, title, **options)
        created.append(project.id)
        return project

    yield create
    for project in created:
        annotator.request("DELETE", f"/api/projects/{project}/")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SAM of the real architecture that computes in milliseconds, as a folder."""
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    tiny_sam_model().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def processes(artefacts: Path) -> Iterator[Processes]:
    """What one module starts; the logs stay among the artefacts."""
    with Processes(artefacts / "logs") as processes:
        yield processes


@pytest.fixture(scope="module")
def environment(
    label_studio: LabelStudioServer, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    """The environment of our processes, with a cache of their own; changed by name."""
    cache = tmp_path_factory.mktemp("cache")

    def make(**changed: str) -> dict[str, str]:
        usual = {
            "label_studio_url": label_studio.url,
            "label_studio_api_key": label_studio.token,
            "oneshot_cache": str(cache),
            "oneshot_sam": str(tiny_checkpoint),
            "oneshot_semantics": "sam",
            "oneshot_search": "loop",  # with random weights it finds something in about half of the images
            "oneshot_min_similarity": "-1",
            "oneshot_max_instances": "2",
            "oneshot_tasks_per_job": "8",
            "oneshot_fetch_timeout_s": "10",
        }
        return stack_environment({**usual, **changed})

    return make


@pytest.fixture(scope="module")
def start(
    processes: Processes, environment: Environment, request: pytest.FixtureRequest
) -> Callable[..., Stack]:
    """Starts Valkey (unless given), web and two workers under a supervisor; settings by name.

    *wrapper*: as ``start_stack`` takes it.
    """
    name, numbers = Path(request.node.name).stem, count(1)

    def start(wrapper: Sequence[str | Path] = (), **changed: str) -> Stack:
        settings = {"redis_url": changed.pop("redis_url", "") or start_valkey(processes), **changed}
        return start_stack(
            processes, environment(**settings), name=f"{name}-{next(numbers)}", workers=2, wrapper=wrapper
        )

    return start
