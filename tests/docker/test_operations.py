"""Claims about docs/operations.md: what it says of settings, names and figures is what the program says."""

import importlib
import re
from pathlib import Path

import pytest

from backend.cli.benchmark import benchmark
from backend.cli.main import COMMANDS
from backend.jobs.queue import ATTEMPTS_LEFT, QUEUE_NAMES
from backend.settings import Settings
from backend.worker.process import OneshotWorker
from tests.docker.redis_memory import bytes_per_task
from tests.docker.settings_table import OPERATIONS, settings_table, table_in

ROOT = Path(__file__).parents[2]
TEXT = OPERATIONS.read_text()
FLAT = " ".join(TEXT.split())


def default(name: str) -> int:
    return int(Settings.model_fields[name].default)


def test_every_setting_is_in_the_table_as_it_is() -> None:
    """`python -m tests.docker.settings_table` writes it anew."""
    assert table_in(TEXT) == settings_table()


def test_every_variable_of_ours_that_is_named_is_a_setting() -> None:
    named = set(re.findall(r"`((?:ONESHOT_|LABEL_STUDIO_|REDIS_)[A-Z_]+)", TEXT))
    of_label_studio = {"LABEL_STUDIO_ML_BLOCK_LOCAL_IP", "LABEL_STUDIO_SSRF_PROTECTION_ENABLED"}

    assert {name.lower() for name in named - of_label_studio} <= Settings.model_fields.keys()


@pytest.mark.parametrize(
    "said",
    [
        f"the job counts as lost {OneshotWorker.heartbeat_ttl_s} s after the last heartbeat",
        f"{['', '', '', '', '', '', '', 'seven'][ATTEMPTS_LEFT]} times",
        f"(`ONESHOT_STOP_S`, {default('oneshot_stop_s')} s; the containers wait 90 s)",
    ],
)
def test_what_is_said_of_times_is_true(said: str) -> None:
    assert said in FLAT


def test_every_command_that_prints_a_figure_exists() -> None:
    commands = re.findall(r"`oneshot (\w+)(?: (\w[\w-]*))?", TEXT)
    modules = set(re.findall(r"`python -m ([\w.]+)", TEXT))

    assert {name for name, _ in commands} <= set(COMMANDS)
    assert {part for name, part in commands if name == "benchmark"} <= benchmark.commands.keys()
    assert modules >= {"tests.docker.redis_memory", "tests.docker.label_studio_figures"}
    for module in modules:
        importlib.import_module(module)


def test_every_metric_that_is_named_exists() -> None:
    """Counters get `_total` at their end when they are printed."""
    named = {name.removesuffix("_total") for name in re.findall(r"\boneshot_[a-z_]+", TEXT)}
    source = (ROOT / "backend/web/metrics.py").read_text()

    assert named - {"oneshot_label"} == {name for name in named if f'"{name}"' in source}
    assert {queue.removeprefix("oneshot-") for queue in QUEUE_NAMES} >= set(
        re.findall(r'priority="(\w+)"', TEXT)
    )


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)[)#]", TEXT))
def test_every_link_to_a_file_leads_to_one(link: str) -> None:
    assert (OPERATIONS.parent / link).is_file()


def test_the_figures_of_redis_are_those_of_a_real_one() -> None:
    """Within a third: of fewer tasks, so that what does not grow counts for more."""
    row = re.search(r"waits / is done / has failed \| (\d+) / (\d+) / (\d+) bytes", TEXT)

    assert row is not None
    assert list(map(int, row.groups())) == pytest.approx(list(bytes_per_task(20_000).values()), rel=0.33)
