"""The real Label Studio, a queue, and our web process: no worker, no weights."""

from collections.abc import Callable, Iterator

import pytest
import redis

from backend.demo.label_studio import LabelStudioServer
from backend.demo.processes import Processes
from backend.demo.valkey import start_valkey
from tests.annotator import Annotator, annotator_at
from tests.stack import Stack, stack_environment, start_stack


@pytest.fixture(scope="module")
def annotator(label_studio: LabelStudioServer) -> Annotator:
    """The one user."""
    return annotator_at(label_studio)


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """What a module's tests start."""
    with Processes(tmp_path_factory.mktemp("logs")) as processes:
        yield processes


@pytest.fixture(scope="module")
def start_web(processes: Processes, label_studio: LabelStudioServer) -> Callable[..., Stack]:
    """Starts a web process on a queue of its own, given a name and further settings."""

    def start(name: str, **settings: str) -> Stack:
        usual = {"label_studio_url": label_studio.url, "label_studio_api_key": label_studio.token}
        environment = stack_environment({**usual, "redis_url": start_valkey(processes), **settings})
        return start_stack(processes, environment, name=name, with_worker=False)

    return start


@pytest.fixture(scope="module")
def web(start_web: Callable[..., Stack]) -> Stack:
    """A web process that asks for no password."""
    return start_web("open")


@pytest.fixture
def queue(web: Stack) -> Iterator[redis.Redis]:
    """The queue of ``web``, emptied."""
    with redis.Redis.from_url(web.redis_url) as connection:
        connection.flushall()
        yield connection
