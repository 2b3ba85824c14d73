"""A healthy installation to be broken: a fake Label Studio behind real HTTP, a real Valkey, a tiny SAM."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from backend.jobs.connection import connect
from backend.settings import Settings
from tests.doctor.installation import Installation
from tests.tiny_sam import tiny_sam_model
from tests.worker.conftest import disc, disc_mask
from tests.worker.fake_label_studio import TOKEN, FakeLabelStudio, serve


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny SAM as a folder that ``ONESHOT_SAM`` takes."""
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    tiny_sam_model().save_pretrained(folder)
    return folder


@pytest.fixture
def connection(shared_valkey: str) -> Iterator[Redis]:
    """A connection to an empty Valkey, which is put right again."""
    with connect(shared_valkey, timeout_s=5) as connection:
        connection.flushall()
        yield connection
        connection.config_set("maxmemory", "0")
        connection.config_set("maxmemory-policy", "noeviction")


@pytest.fixture
def installation(
    shared_valkey: str, connection: Redis, tiny_checkpoint: Path, tmp_path: Path
) -> Iterator[Installation]:
    """An installation in which nothing is wrong."""
    with serve(FakeLabelStudio()) as fake:
        for _ in range(3):
            fake.add_task(disc())
        fake.annotate(1, disc_mask())
        settings = Settings.model_validate(
            {
                "label_studio_url": fake.url,
                "label_studio_api_key": TOKEN,
                "redis_url": shared_valkey,
                "oneshot_sam": str(tiny_checkpoint),
                "oneshot_semantics": "sam",
                "oneshot_cache": tmp_path,
                "oneshot_cache_bytes": 1_000_000,
            }
        )
        found = Installation(fake, connection, settings)
        found.start_worker()
        found.connect()
        found.sync()
        yield found
