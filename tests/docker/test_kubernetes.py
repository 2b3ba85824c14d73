"""Claims about the Kubernetes manifests: by the published schemas, by one another, and by what we are."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator
from redis import Redis
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from backend.jobs.connection import connect
from backend.jobs.progress import Progress
from backend.jobs.queue import PREDICT_QUEUE, QUEUE_NAMES, JobQueue
from backend.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker/kubernetes"
SCHEMAS = Path(__file__).parent / "schemas"
VERSIONS = ("1.29", "1.37")
TASKS_PER_JOB = 4


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every manifest by kind and name, kustomize's own left out."""
    for path in sorted(FOLDER.glob("*.yaml")):
        if path.name != "kustomization.yaml":
            for document in yaml.safe_load_all(path.read_text()):
                yield f"{document['kind']}/{document['metadata']['name']}", document


ALL = dict(documents())
OF_KEDA = {name: each for name, each in ALL.items() if each["apiVersion"].startswith("keda.sh/")}
OF_KUBERNETES = {name: each for name, each in ALL.items() if name not in OF_KEDA}
PODS = {
    name: each["spec"]["template"]["spec"]
    for name, each in ALL.items()
    if each["kind"] in ("Deployment", "StatefulSet")
}
OURS = {name: PODS[name] for name in ("Deployment/oneshot-web", "Deployment/oneshot-worker")}


def keda_schema(kind: str) -> Any:
    """The schema of KEDA's own definition, in which unknown fields are refused and not dropped silently."""
    definition = yaml.safe_load((SCHEMAS / f"keda.sh_{kind.lower()}s.yaml").read_text())
    (version,) = [each for each in definition["spec"]["versions"] if each["name"] == "v1alpha1"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    schema["properties"]["metadata"] = {"type": "object"}  # Kubernetes' own
    return closed(schema)


def closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        inner.setdefault("additionalProperties", False)
    return inner


def containers(pod: dict[str, Any]) -> dict[str, Any]:
    """The only container of a pod."""
    (container,) = pod["containers"]
    found: dict[str, Any] = container
    return found


def environment(pod: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each for each in containers(pod)["env"]}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", OF_KUBERNETES)
def test_kubernetes_accepts_it(name: str, version: str) -> None:
    """Strictly: a field that the schema does not know is refused."""
    kubernetes_validate.validate(OF_KUBERNETES[name], version, strict=True)


@pytest.mark.parametrize("name", OF_KEDA)
def test_keda_accepts_it(name: str) -> None:
    schema = keda_schema(OF_KEDA[name]["kind"])

    errors = [error.message for error in Draft202012Validator(schema).iter_errors(OF_KEDA[name])]

    assert errors == []


def test_an_unknown_field_of_keda_is_found() -> None:
    """The check of the check above."""
    scaled = ALL["ScaledObject/oneshot-worker"]
    wrong = scaled | {"spec": scaled["spec"] | {"maxReplicas": 3}}

    errors = [error.message for error in Draft202012Validator(keda_schema("ScaledObject")).iter_errors(wrong)]

    assert len(errors) == 1
    assert "maxReplicas" in errors[0]


def test_kustomize_is_told_of_every_manifest_but_the_example() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    there = {path.name for path in FOLDER.glob("*.yaml")}

    assert set(listed) == there - {"kustomization.yaml", "secret.example.yaml"}


def test_kustomize_names_our_images_by_our_version() -> None:
    images = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["images"]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert {image["name"] for image in images} == {containers(pod)["image"] for pod in OURS.values()}
    assert {image["newTag"] for image in images} == {version}


def test_all_is_in_one_namespace() -> None:
    places = {each["metadata"].get("namespace") for name, each in ALL.items() if name != "Namespace/oneshot"}

    assert places == {ALL["Namespace/oneshot"]["metadata"]["name"]}


@pytest.mark.parametrize("name", PODS)
def test_no_pod_is_root_or_writes_outside_its_volumes(name: str) -> None:
    """What the namespace's level `restricted` asks for, and read-only roots beyond it."""
    pod, container = PODS[name], containers(PODS[name])

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {mount["name"] for mount in container["volumeMounts"]} >= {"tmp"}


@pytest.mark.parametrize("name", PODS)
def test_every_pod_has_probes_and_bounds(name: str) -> None:
    container = containers(PODS[name])

    assert container.keys() >= {"startupProbe", "livenessProbe"}
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert container["resources"]["limits"].keys() == {"memory"}


@pytest.mark.parametrize("name", OURS)
def test_a_redis_that_is_gone_restarts_nobody(name: str) -> None:
    probe = containers(OURS[name])["livenessProbe"]["exec"]["command"]

    assert probe[-1] == "--alive"
    assert (ROOT / "docker" / probe[1]).is_file()


@pytest.mark.parametrize("name", OURS)
def test_our_pods_get_settings_that_exist(name: str) -> None:
    given = {*environment(OURS[name]), *ALL["ConfigMap/oneshot-settings"]["data"]} - {"REDIS_PASSWORD"}

    assert {each.lower() for each in given} <= Settings.model_fields.keys()


def test_the_settings_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = environment(OURS["Deployment/oneshot-worker"])
    for name, value in ALL["ConfigMap/oneshot-settings"]["data"].items():
        monkeypatch.setenv(name, value)
    for name, entry in worker.items():
        if "value" in entry:
            monkeypatch.setenv(name, entry["value"])

    settings = Settings()

    assert settings.oneshot_threads == int(
        containers(OURS["Deployment/oneshot-worker"])["resources"]["requests"]["cpu"]
    )


@pytest.mark.parametrize("name", PODS)
def test_every_secret_that_is_asked_for_is_in_the_example(name: str) -> None:
    asked = {
        each["valueFrom"]["secretKeyRef"]["key"]
        for each in containers(PODS[name])["env"]
        if "valueFrom" in each
    }

    assert asked <= ALL["Secret/oneshot"]["stringData"].keys()


def test_the_web_process_does_not_hold_the_token_of_label_studio() -> None:
    assert "LABEL_STUDIO_API_KEY" not in environment(OURS["Deployment/oneshot-web"])


def test_the_worker_s_volumes_lie_where_the_compose_file_has_them() -> None:
    mounts = containers(OURS["Deployment/oneshot-worker"])["volumeMounts"]
    compose = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]["worker"]

    places = {mount["mountPath"] for mount in mounts if mount["name"] != "tmp"}

    assert places == {volume.split(":")[1] for volume in compose["volumes"]}


def test_a_worker_has_the_time_to_finish_the_task_in_hand() -> None:
    seconds = OURS["Deployment/oneshot-worker"]["terminationGracePeriodSeconds"]

    assert seconds >= Settings.model_fields["oneshot_stop_s"].default + 30


def test_a_worker_can_kill_itself() -> None:
    """The kernel does not let the first process of a container do so; a job that hangs would stay."""
    assert OURS["Deployment/oneshot-worker"]["shareProcessNamespace"] is True


def test_redis_is_started_as_in_the_compose_file() -> None:
    compose = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]["redis"]
    container = containers(PODS["StatefulSet/oneshot-redis"])

    assert container["image"] == compose["image"]
    assert container["command"] == [part.replace("$$", "$") for part in compose["command"]]


def test_every_service_and_policy_selects_a_pod_there_is() -> None:
    labels = {
        each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
        for each in ALL.values()
        if each["kind"] in ("Deployment", "StatefulSet")
    }
    services = {
        each["metadata"]["name"]: each["spec"]["selector"]
        for each in ALL.values()
        if each["kind"] == "Service"
    }
    policies = list(yaml.safe_load_all((FOLDER / "network.yaml").read_text()))

    assert {selector["app.kubernetes.io/name"] for selector in services.values()} <= labels
    assert {
        each["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for each in policies
    } == labels


def scaled() -> dict[str, Any]:
    spec: dict[str, Any] = ALL["ScaledObject/oneshot-worker"]["spec"]
    return spec


def test_every_queue_counts_for_scaling() -> None:
    lists = {trigger["metadata"]["listName"] for trigger in scaled()["triggers"]}

    assert lists == {f"rq:queue:{name}" for name in QUEUE_NAMES}


def test_keda_finds_redis_and_what_it_scales() -> None:
    addresses = {trigger["metadata"]["address"] for trigger in scaled()["triggers"]}
    authentications = {trigger["authenticationRef"]["name"] for trigger in scaled()["triggers"]}

    assert addresses == {"oneshot-redis.oneshot.svc:6379"}
    assert authentications == {ALL["TriggerAuthentication/oneshot-redis"]["metadata"]["name"]}
    assert scaled()["scaleTargetRef"]["name"] == ALL["Deployment/oneshot-worker"]["metadata"]["name"]
    assert "replicas" not in ALL["Deployment/oneshot-worker"]["spec"]


def wanted_workers(connection: Redis) -> int:
    """What the formula asks for, by the lengths of the real lists."""
    lengths = {
        trigger["name"]: connection.llen(trigger["metadata"]["listName"]) for trigger in scaled()["triggers"]
    }
    modifiers = scaled()["advanced"]["scalingModifiers"]
    wanted = eval(modifiers["formula"], {"__builtins__": {}}, lengths)  # noqa: S307 - sums of our own file
    return -(-int(wanted) // int(modifiers["target"]))


@pytest.mark.parametrize("workers", [1, 2, 3, 10])
def test_a_long_run_asks_for_more_workers_than_there_are(shared_valkey: str, workers: int) -> None:
    """On the real queue, a job in each worker's hand: the number grows until the work is done."""
    with connect(shared_valkey) as connection:
        connection.flushall()
        for worker in range(workers):
            connection.sadd(WORKERS_BY_QUEUE_KEY % PREDICT_QUEUE, f"rq:worker:{worker}")
        queue = JobQueue(connection, tasks_per_job=TASKS_PER_JOB)
        Progress(connection).set_generation(1, "oneshot-mobilesam-0", [])
        queue.enqueue_tasks(1, "oneshot-mobilesam-0", range(1, 1000))
        connection.lpop(f"rq:queue:{PREDICT_QUEUE}", workers)

        assert wanted_workers(connection) > workers


def test_an_empty_queue_asks_for_nobody(shared_valkey: str) -> None:
    with connect(shared_valkey) as connection:
        connection.flushall()

        assert wanted_workers(connection) == 0
