"""The doctor against the real Label Studio, web process and worker: one installation, broken in turn."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from backend.demo.label_studio import LabelStudioServer, copy_data_dir, migrated_data_dir
from backend.demo.processes import Processes, free_port
from backend.demo.valkey import start_valkey
from tests.annotator import Annotator, annotator_at, brush_region
from tests.authority import private_authority
from tests.conftest import LABEL_STUDIO_ENVIRONMENT
from tests.proof.proxy import Proxy, serve
from tests.stack import ONESHOT, Stack, stack_environment, start_stack
from tests.worker.conftest import disc, disc_mask
from tests.worker.fake_label_studio import png

pytestmark = pytest.mark.label_studio
Findings = dict[str, list[dict[str, str]]]


@dataclass
class Patient:
    """A project that is connected and has its predictions, and the environment of our processes."""

    project: int
    annotator: Annotator
    stack: Stack
    environment: dict[str, str] = field(repr=False)

    def examine(self, **changed: str) -> tuple[int, Findings]:
        """The command's exit status, and its findings by their state."""
        return run_doctor(self.environment | changed, "--project", str(self.project))


def run_doctor(environment: dict[str, str], *arguments: str) -> tuple[int, Findings]:
    """The command's exit status, and its findings by their state."""
    command = [str(ONESHOT), "doctor", *arguments, "--json"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode in (0, 1), ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    assert told["well"] == (ended.returncode == 0)
    findings: Findings = {"ok": [], "warning": [], "wrong": [], "not checked": []}
    for finding in told["findings"]:
        findings[finding["state"]].append(finding)
    return ended.returncode, findings


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """What the tests start."""
    with Processes(tmp_path_factory.mktemp("logs")) as processes:
        yield processes


@pytest.fixture(scope="module")
def patient(
    processes: Processes,
    label_studio: LabelStudioServer,
    tiny_checkpoint: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Patient:
    """One coin painted, the others predicted."""
    settings = {
        "label_studio_url": label_studio.url,
        "label_studio_api_key": label_studio.token,
        "redis_url": start_valkey(processes),
        "oneshot_sam": str(tiny_checkpoint),
        "oneshot_semantics": "sam",
        "oneshot_cache": str(tmp_path_factory.mktemp("cache")),
        "oneshot_cache_bytes": "1000000",
    }
    environment = stack_environment(settings)
    stack = start_stack(processes, environment, name="patient")
    annotator = annotator_at(label_studio)
    project = annotator.create_project("Patient")
    tasks = annotator.upload(project, {f"{name}.png": png(disc()) for name in "abc"})
    annotator.connect(project, stack.url)
    annotator.annotate(tasks[0], [brush_region(disc_mask())])
    stack.wait_for_tasks(project, tasks[1:])
    return Patient(project, annotator, stack, environment)


def test_a_healthy_installation_is_well(patient: Patient) -> None:
    status, findings = patient.examine()

    assert (status, findings["wrong"], findings["not checked"]) == (0, [], [])
    assert [each["check"] for each in findings["warning"]] == ["Redis on disk"]
    assert "agree on oneshot-tiny-" in next(x for x in findings["ok"] if x["check"] == "versions")["what"]


@pytest.mark.parametrize(("method", "change"), [("PATCH", {"is_active": False}), ("DELETE", None)])
def test_a_webhook_that_is_switched_off_or_gone(
    patient: Patient, method: str, change: dict[str, bool] | None
) -> None:
    """What the doctor says to do is done, and all is well."""
    webhook = patient.annotator.webhooks(patient.project)[0]
    patient.annotator.request(method, f"/api/webhooks/{webhook['id']}/", json=change)

    status, findings = patient.examine()
    command = [str(ONESHOT), "prelabel", "--project", str(patient.project)]
    subprocess.run(command, env=patient.environment, capture_output=True, timeout=120, check=True)
    after, mended = patient.examine()

    assert status == 1
    assert [each["check"] for each in findings["wrong"]] == ["webhook"]
    assert " ".join(["oneshot", *command[1:]]) in findings["wrong"][0]["to_do"]
    assert (after, mended["wrong"]) == (0, [])


def test_a_web_process_on_another_redis(processes: Processes, patient: Patient) -> None:
    """Label Studio has called it just now, of which this Redis knows nothing."""
    _, findings = patient.examine(REDIS_URL=start_valkey(processes))

    assert [each["check"] for each in findings["wrong"]] == ["shared queue", "workers"]


def test_a_token_that_is_not_valid(patient: Patient) -> None:
    status, findings = patient.examine(LABEL_STUDIO_API_KEY="0" * 40)

    assert status == 1
    assert [each["check"] for each in findings["wrong"]] == ["Label Studio"]
    assert "0" * 40 not in json.dumps(findings)


def test_a_project_that_is_not_there(patient: Patient) -> None:
    status, findings = run_doctor(patient.environment, "--project", "99999")

    assert status == 1
    assert [each["check"] for each in findings["wrong"]] == ["project"]


def test_a_label_studio_that_keeps_its_protections(
    pytestconfig: pytest.Config, processes: Processes, patient: Patient, tmp_path: Path
) -> None:
    """Started as the manual says, without the two settings of our README."""
    cache = pytestconfig.cache
    template = migrated_data_dir(cache.mkdir("label-studio"), environment=LABEL_STUDIO_ENVIRONMENT)
    copy_data_dir(template, tmp_path / "data")
    port = free_port()
    options = ["--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    child = processes.start(
        "protected",
        [str(LABEL_STUDIO_ENVIRONMENT / "bin" / "label-studio"), "start", *options],
        environment=patient.environment
        | {
            "LABEL_STUDIO_BASE_DATA_DIR": str(tmp_path / "data"),
            "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
            "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
            "LABEL_STUDIO_SENTRY_DSN": "",
            "LABEL_STUDIO_FRONTEND_SENTRY_DSN": "",
        },
        folder=tmp_path,
    )
    url = f"http://127.0.0.1:{port}"
    child.wait_healthy(f"{url}/health", timeout_s=180)

    _, findings = run_doctor(patient.environment | {"LABEL_STUDIO_URL": url})

    told = {each["check"]: each["to_do"] for each in findings["warning"]}
    assert "ML_BLOCK_LOCAL_IP=false" in told["backend address"]
    assert "SSRF_PROTECTION_ENABLED=false" in told["events' address"]


def test_a_label_studio_with_a_certificate_of_a_private_authority(patient: Patient, tmp_path: Path) -> None:
    """What the doctor says to do is done, and all is well."""
    trusted, tls = private_authority(tmp_path)
    with serve(Proxy(patient.annotator.url, seed=0, tls=tls)) as proxy:
        _, before = patient.examine(LABEL_STUDIO_URL=proxy.url)
        status, after = patient.examine(LABEL_STUDIO_URL=proxy.url, SSL_CERT_FILE=str(trusted))

    (told,) = [each for each in before["wrong"] if each["check"] == "Label Studio"]
    assert "certificate" in told["what"]
    assert "SSL_CERT_FILE" in told["to_do"]
    assert (status, after["wrong"]) == (0, [])


def test_a_web_process_that_has_ended(patient: Patient) -> None:
    """The last: it does not come back."""
    patient.stack.web.stop()

    status, findings = patient.examine()

    assert status == 1
    assert [each["check"] for each in findings["wrong"]] == ["backend"]
    assert "start `oneshot web`" in findings["wrong"][0]["to_do"]
