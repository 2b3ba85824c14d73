"""Each finding, proven by breaking that very thing in an installation that is well otherwise."""

import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from rq.suspension import suspend

from backend.demo.processes import free_port
from backend.jobs.breaker import Breaker
from backend.jobs.keys import ProjectKeys
from backend.jobs.progress import Progress, TaskProgress
from backend.jobs.queue import PREDICT_QUEUE, QUEUE_NAMES, JobQueue
from backend.labelstudio.webhooks import webhook_settings
from tests.doctor.installation import Installation, checks, only
from tests.labelstudio.loopback import Answer, loopback
from tests.worker.conftest import disc_mask
from tests.worker.fake_label_studio import LABEL_CONFIG, PROJECT, png

OTHER_CONFIG = """<View><Text name="t" value="$t"/>
  <Choices name="c" toName="t"><Choice value="a"/></Choices></View>"""
PRIVATE = "URL resolves to a reserved network address (block: 127.0.0.0/8)"
Break = Callable[[Installation], object]


def test_nothing_is_wrong_with_a_healthy_installation(installation: Installation) -> None:
    findings = installation.examine()

    assert checks(findings, "wrong") == checks(findings, "not checked") == []
    assert only(findings, "warning").check == "Redis on disk"  # the test's Valkey keeps nothing


def test_without_a_project_only_what_all_share_is_looked_at(installation: Installation) -> None:
    findings = installation.examine(None)

    assert checks(findings, "wrong") == []
    assert only(findings, "not checked").what == f"needs --project ID; the token sees {PROJECT}"
    assert "webhook" not in {finding.check for finding in findings}


def test_that_an_address_is_allowed_is_not_called_a_connection(installation: Installation) -> None:
    """Label Studio looks at the address alone: nothing need listen there."""
    told = {each.check: each.what for each in installation.examine(None)}
    of_project = {each.check: each.what for each in installation.examine()}

    assert told["backend address"] == (
        "Label Studio's settings allow ML backends at private addresses; whether one answers was not tried"
    )
    assert "events to private addresses" in told["events' address"]
    assert of_project["events' address"] == (
        "Label Studio's settings allow events to http://oneshot.example:9090/webhook"
    )


def test_nothing_is_changed(installation: Installation) -> None:
    before = set(installation.connection.keys())

    installation.examine()

    assert set(installation.connection.keys()) == before
    assert installation.fake.predictions == []
    assert not any(asked.startswith(("PATCH", "DELETE", "PUT")) for asked in installation.fake.requests)


BROKEN: dict[str, tuple[str, str, Break]] = {
    "no token": (
        "Label Studio", "LABEL_STUDIO_API_KEY is not set", lambda it: it.change(label_studio_api_key=""),
    ),
    "a token that is not valid": (
        "Label Studio", "status 401", lambda it: it.change(label_studio_api_key="f" * 40),
    ),
    "nothing at the address": (
        "Label Studio", "unreachable",
        lambda it: it.change(label_studio_url=f"http://127.0.0.1:{free_port()}"),
    ),
    "a token without rights": (
        "rights", "may not store predictions",
        lambda it: setattr(it.fake, "broken", lambda path: 403 if path.endswith("predictions") else None),
    ),
    "backend not connected": (
        "backend", "no ML backend is connected", lambda it: it.fake.ml_backends.clear(),
    ),
    "backend answers wrongly": (
        "backend", "Error: boom",
        lambda it: it.connect(state="ER", readable_state="Error", error_message="boom"),
    ),
    "another backend": ("versions", "it is not this backend", lambda it: it.connect(model_version="sam2")),
    "local addresses of backends refused": (
        "backend address", "reserved network", lambda it: it.fake.refused.update(ml=PRIVATE),
    ),
    "local addresses of events refused": (
        "events' address", "silently drops", lambda it: it.fake.refused.update(webhooks=PRIVATE),
    ),
    "a host that Label Studio does not know": (
        "events' address", "does not know the host",
        lambda it: it.fake.refused.update(webhooks="Can't resolve hostname web"),
    ),
    "webhook gone": ("webhook", "no webhook to", lambda it: it.fake.webhooks.clear()),
    "webhook to an earlier address": (
        "webhook", "there is http://old/webhook",
        lambda it: it.fake.webhooks[0].update(url="http://old/webhook"),
    ),
    "webhook off": ("webhook", "switched off", lambda it: it.fake.webhooks[0].update(is_active=False)),
    "webhook without content": (
        "webhook", "does not say what", lambda it: it.fake.webhooks[0].update(send_payload=False),
    ),
    "webhook without annotations": (
        "webhook", "does not send ANNOTATIONS_DELETED, ANNOTATION_CREATED",
        lambda it: it.fake.webhooks[0].update(send_for_all_actions=False, actions=["ANNOTATION_UPDATED"]),
    ),
    "webhook without login": (
        "webhook", "sends no login",
        lambda it: it.change(oneshot_basic_auth_user="ann", oneshot_basic_auth_password="s3cret"),
    ),
    "reference whose image is gone": (
        "reference", "its image cannot be used",
        lambda it: it.fake.tasks[1].update(image="/data/upload/7/no.png"),
    ),
    "no readable image": ("images", "none of the first 3", lambda it: it.fake.files.clear()),
    "no tasks": ("images", "no tasks", lambda it: it.fake.tasks.clear()),
    "annotations of no use": (
        "reference", "nothing that can serve",
        lambda it: it.fake.annotations[1][0]["result"][0].update(image_rotation=90),
    ),
    "the reference's label renamed": (
        "reference", "annotation 1 of task 1 has the label 'Coin', which the label config no longer has",
        lambda it: setattr(it.fake, "label_config", LABEL_CONFIG.replace("Coin", "Penny")),
    ),
    "no worker": ("workers", "no worker is running", lambda it: it.end_workers()),
    "workers suspended": ("workers", "suspended", lambda it: suspend(it.connection)),
    "Label Studio down for the workers": (
        "workers", "status 502", lambda it: Breaker(it.connection).trip("answers with status 502"),
    ),
    "jobs may be evicted": (
        "Redis memory", "maxmemory-policy is allkeys-lru",
        lambda it: it.connection.config_set("maxmemory-policy", "allkeys-lru")
        and it.connection.config_set("maxmemory", "200mb"),
    ),
    "Redis full": (
        "Redis memory", "nothing more can be queued",
        lambda it: it.connection.config_set("maxmemory", str(it.connection.info()["used_memory"] + 10_000)),
    ),
    "a queue of another database": (
        "versions", "but the queue at REDIS_URL holds",
        lambda it: Progress(it.connection).set_generation(PROJECT, "oneshot-tiny-0000000000", []),
    ),
    "workers with other settings": (
        "versions", "these annotations and settings make", lambda it: it.change(oneshot_max_instances=7),
    ),
    "the last sync failed": (
        "run", "the last sync failed", lambda it: Progress(it.connection).set_error(PROJECT, "no"),
    ),
    "weights gone": (
        "weights", "not, or not whole",
        lambda it: it.change(oneshot_semantics=str(it.settings.oneshot_cache)),
    ),
    "device gone": ("weights", "not usable here", lambda it: it.change(oneshot_device="cuda:63")),
    "numbers gone": (
        "weights", "not usable on this CPU",
        lambda it: it.change(oneshot_device="cpu", oneshot_precision="float16"),
    ),
    "user without password": (
        "settings", "without a password", lambda it: it.change(oneshot_basic_auth_user="ann"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_found_with_the_one_thing_to_do(installation: Installation, name: str) -> None:
    check, what, break_it = BROKEN[name]
    break_it(installation)

    findings = installation.examine()

    found = [each for each in findings if each.state == "wrong" and each.check == check]
    assert any(what in each.what for each in found), findings
    assert all(each.to_do for each in findings if each.state in ("wrong", "warning"))
    assert all("could not be checked" not in each.what for each in findings), findings


@pytest.mark.parametrize(
    ("status", "to_do"), [(403, "member|administrator"), (500, "try again in a while; .* Label Studio's log")]
)
@pytest.mark.parametrize(
    ("path", "concerned"),
    [
        (f"/api/projects/{PROJECT}/", ["project"]),
        (f"/api/projects/{PROJECT}/import/predictions", ["rights"]),
        ("/api/ml/", ["backend", "backend address"]),
        ("/api/webhooks/", ["events' address", "webhook"]),
        ("/api/tasks/", ["images", "corrections", "reference"]),
    ],
)
def test_what_label_studio_refuses_or_fails_to_answer_is_no_riddle(
    installation: Installation, path: str, concerned: list[str], status: int, to_do: str
) -> None:
    """Rights that are missing, or a trouble of its own: nothing that our log explains."""
    installation.fake.broken = lambda asked: status if asked == path else None

    findings = installation.examine()

    wrong = [each for each in findings if each.state == "wrong"]
    assert [each.check for each in wrong] == concerned, findings
    assert all(f"status {status}" in each.what for each in wrong), wrong
    assert all(re.search(to_do, each.to_do) for each in wrong), wrong
    assert "could not be checked" not in "".join(each.what for each in findings), findings
    assert "DEBUG" not in "".join(each.to_do for each in findings), findings


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("no worker", []),
        ("webhook off", []),
        ("jobs may be evicted", []),
        ("no token", []),
        ("device gone", []),
        ("a token without rights", []),
        ("local addresses of events refused", []),
    ],
)
def test_nothing_else_is_called_wrong(installation: Installation, name: str, others: list[str]) -> None:
    check, _, break_it = BROKEN[name]
    break_it(installation)

    assert checks(installation.examine(), "wrong") == [check, *others]


def test_what_needs_label_studio_is_not_checked_without_it_and_the_rest_is(
    installation: Installation,
) -> None:
    installation.change(label_studio_api_key="")

    findings = installation.examine()

    by_check = {finding.check: finding for finding in findings}
    assert by_check["webhook"].what == "needs Label Studio and project and backend"
    assert [by_check[name].state for name in ("Redis", "workers", "weights")] == ["ok", "ok", "ok"]


def test_what_needs_redis_is_not_checked_without_it_and_the_rest_is(installation: Installation) -> None:
    installation.change(redis_url=f"redis://:s3cret@127.0.0.1:{free_port()}/0")

    findings = installation.examine()

    by_check = {finding.check: finding for finding in findings}
    assert by_check["Redis"].state == "wrong"
    assert "s3cret" not in by_check["Redis"].what
    assert by_check["workers"].what == by_check["run"].what == "needs Redis"
    assert by_check["reference"].state == "ok"


def test_no_project_of_that_id(installation: Installation) -> None:
    found = only(installation.examine(PROJECT + 1), "wrong")

    assert (found.check, f"no project {PROJECT + 1}" in found.what) == ("project", True)


def test_a_label_config_without_a_mask(installation: Installation) -> None:
    installation.fake.label_config = OTHER_CONFIG

    found = only(installation.examine(), "wrong")

    assert found.check == "label config"
    assert "Choices" in found.what


def test_a_control_that_the_label_config_does_not_have_is_told_with_those_that_it_has(
    installation: Installation,
) -> None:
    """Predictions go through the reference's all the same."""
    installation.change(oneshot_control="PolygonLabel")

    (found,) = [each for each in installation.examine() if each.check == "label config" and each.to_do]

    assert found.state == "warning"
    assert "'PolygonLabel'" in found.what
    assert "'label' (BrushLabels)" in found.to_do


def test_nobody_has_annotated_yet_is_no_fault(installation: Installation) -> None:
    installation.fake.annotations.clear()
    installation.connect()
    Progress(installation.connection).set_no_reference(PROJECT, "none")

    findings = installation.examine()

    assert checks(findings, "wrong") == []
    assert "reference" in checks(findings, "warning")


def test_an_excluded_reference_is_none_and_that_is_told(installation: Installation) -> None:
    """Its image is of no interest any more either."""
    installation.fake.annotate(2, disc_mask())
    installation.fake.tasks[1]["image"] = "/data/upload/7/no.png"
    exclude(installation, 1)

    findings = installation.examine()

    assert checks(findings, "wrong") == []
    told = [each.what for each in findings if each.check in ("corrections", "reference")]
    assert any("1 annotation excluded on the status page: 1" in each for each in told)
    assert any("Coin: annotation 2 of task 2" in each for each in told)


def test_where_every_reference_is_excluded_that_is_the_reason(installation: Installation) -> None:
    exclude(installation, 1)

    found = only(installation.examine(), "wrong")

    assert found.check == "reference"
    assert "excluded on the status page" in found.what
    assert "include" in found.to_do


def test_a_label_that_only_a_correction_teaches_has_a_reference(installation: Installation) -> None:
    fake = installation.fake
    fake.label_config = fake.label_config.replace('"Coin"/>', '"Coin"/><Label value="Nut"/>')
    fake.predictions.append({"id": 9, "task": 2, "model_version": "oneshot-tiny-0", "result": []})
    fake.annotate(2, disc_mask(), parent_prediction=9)
    fake.annotations[2][0]["result"][0]["value"]["brushlabels"] = ["Nut"]
    installation.sync()
    installation.connect()

    findings = installation.examine()

    assert checks(findings, "wrong") == []
    told = [each.what for each in findings if each.state == "ok"]
    assert "Nut: annotation 2 of task 2, 1 region" in told
    assert "1 corrected task, 1 of them learned from" in told


def exclude(installation: Installation, annotation_id: int) -> None:
    """Exclude an annotation as the status page does, and have the sync done that follows."""
    installation.connection.sadd(ProjectKeys(PROJECT).excluded, annotation_id)
    installation.sync()
    installation.connect()


def test_a_reference_that_cannot_serve_is_passed_over_for_the_next_as_the_workers_do(
    installation: Installation,
) -> None:
    """What the doctor says to do, to paint a mask on another image, was done: all is well."""
    installation.fake.annotate(2, disc_mask())
    installation.fake.tasks[1]["image"] = "/data/upload/7/no.png"
    exclude(installation, 1)  # as a worker has it that found its image gone
    installation.connection.delete(ProjectKeys(PROJECT).excluded)

    findings = installation.examine()

    assert checks(findings, "wrong") == []
    told = {each.state: each.what for each in findings if each.check == "reference"}
    assert told["ok"].startswith("Coin: annotation 2 of task 2")
    assert "annotation 1 of task 1: its image cannot be used" in told["warning"]


def test_a_reference_whose_mask_does_not_fit_its_image_is_all_that_is_wrong(
    installation: Installation,
) -> None:
    """Not what follows from it, that the project has no generation."""
    installation.fake.files["/data/upload/7/1.png"] = png(np.zeros((20, 20, 3), np.uint8))
    Progress(installation.connection).set_no_reference(PROJECT, "annotation 1 of task 1 cannot serve: no")
    installation.connect(model_version="oneshot-tiny-noref")

    found = only(installation.examine(), "wrong")

    assert (found.check, "its image of (20, 20)" in found.what) == ("reference", True)


def test_a_generation_that_was_made_before_its_image_was_gone_is_still_current(
    installation: Installation,
) -> None:
    """A worker that has it goes on with it: to run again would change nothing."""
    del installation.fake.files["/data/upload/7/1.png"]

    assert only(installation.examine(), "wrong").check == "reference"


def test_an_image_that_cannot_be_had_now_is_no_reason_to_pass_its_mask_over(
    installation: Installation,
) -> None:
    installation.fake.broken = lambda path: 503 if path == "/data/upload/7/1.png" else None

    findings = installation.examine()

    found = only(findings, "wrong")
    assert (found.check, "try again" in found.to_do) == ("reference", True)


@pytest.mark.parametrize("state", ["wrong", "warning"])
def test_what_the_workers_refuse_for_reasons_of_their_own_is_told(
    installation: Installation, state: str
) -> None:
    """The doctor opens no network: to run again would change nothing."""
    refusal = "annotation 1 of task 1 cannot serve: its mask covers no cell"
    version, progress = installation.version(), Progress(installation.connection)
    if state == "wrong":
        progress.set_no_reference(PROJECT, refusal)
        installation.connect(model_version=f"{version.rpartition('-')[0]}-noref")
    else:
        progress.set_generation(PROJECT, f"{version[:-3]}abc", [], refusals=[refusal])
        installation.connect(model_version=f"{version[:-3]}abc")

    findings = installation.examine()

    (found,) = [each for each in findings if each.check == "versions" and each.state == state]
    assert refusal in found.what
    assert "prelabel" not in found.to_do


def test_some_broken_images_are_a_warning(installation: Installation) -> None:
    installation.fake.files["/data/upload/7/2.png"] = b"<svg/>"

    findings = installation.examine()

    assert checks(findings, "wrong") == []
    assert any("task 2: expected an image" in finding.what for finding in findings)


def test_every_image_of_a_task_is_read(installation: Installation) -> None:
    """The first of each can be read; task 2's second one cannot, and task 3 has only one."""
    first, second = (LABEL_CONFIG.replace("image", name) for name in ("image", "behind"))
    second = second.replace('"label"', '"label-2"')
    installation.fake.label_config = f"<View>{first}{second}</View>"
    for task_id, address in {1: "/data/upload/7/1.png", 2: "/data/upload/7/no.png"}.items():
        installation.fake.tasks[task_id]["behind"] = address
    installation.connect()
    installation.sync()

    findings = installation.examine()

    assert checks(findings, "wrong") == []
    (found,) = [each for each in findings if each.check == "images"]
    assert found.what.startswith("1 of the first 3 of 3 cannot be read: task 2: 'behind': ")


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        (["/data/upload/7/2.png", "/data/upload/7/no.png"], "task 2: 'image[1]': "),
        ("/data/upload/7/2.png", "task 2: expected a list of images' addresses under 'image'"),
    ],
)
def test_every_image_of_a_list_is_read(installation: Installation, pages: object, told: str) -> None:
    """Of task 2 the second one cannot be, or there is no list."""
    installation.fake.label_config = LABEL_CONFIG.replace('value="$image"', 'valueList="$image"')
    for data in installation.fake.tasks.values():
        data["image"] = [data["image"]]
    installation.fake.tasks[2]["image"] = pages
    installation.connect()
    installation.sync()

    findings = installation.examine()

    assert checks(findings, "wrong") == []
    (found,) = [each for each in findings if each.check == "images"]
    assert found.what.startswith(f"1 of the first 3 of 3 cannot be read: {told}")


def test_a_project_that_shows_other_predictions_is_a_warning(installation: Installation) -> None:
    installation.fake.model_version = "oneshot-tiny-old"

    assert any("shows the predictions of 'oneshot-tiny-old'" in each.what for each in installation.examine())


def test_a_web_process_on_another_redis_is_the_cause_that_is_named(installation: Installation) -> None:
    """To ask for the backends had Label Studio call it just now, and our Redis knows nothing of that."""
    none = f"{installation.version().rpartition('-')[0]}-noref"
    installation.connection.flushall()
    installation.start_worker()
    installation.connect(model_version=none)

    findings = installation.examine()

    found = only(findings, "wrong")
    assert found.check == "shared queue"
    assert "another Redis" in found.what
    assert "REDIS_URL" in found.to_do
    assert only(findings, "not checked").check == "versions"


def test_of_a_doctor_on_another_redis_that_is_told_before_it_misses_the_workers(
    installation: Installation,
) -> None:
    installation.connection.flushall()

    assert checks(installation.examine(), "wrong")[:2] == ["shared queue", "workers"]


def test_a_sync_that_waits_explains_versions_that_differ(installation: Installation) -> None:
    installation.change(oneshot_max_instances=7)
    JobQueue(installation.connection).enqueue_sync(PROJECT)

    findings = installation.examine()

    assert checks(findings, "wrong") == []
    assert any("a sync waits" in finding.what for finding in findings)


def test_failed_tasks_are_told_by_reason(installation: Installation) -> None:
    version, progress = installation.version(), Progress(installation.connection)
    JobQueue(installation.connection).enqueue_tasks(PROJECT, version, [2, 3])
    progress.record(PROJECT, version, TaskProgress(2, "failed", reason="image gone"))

    assert any("1 failed: image gone" in finding.what for finding in installation.examine())


def test_after_a_sync_that_failed_a_run_is_what_begins_another_one(installation: Installation) -> None:
    """Not every annotation does: of reviews only those that are to be learned from."""
    Progress(installation.connection).set_error(PROJECT, "no")

    assert "press Run on the status page" in only(installation.examine(), "wrong").to_do


def test_a_queue_that_nobody_serves(installation: Installation) -> None:
    installation.connection.flushall()
    installation.start_worker([name for name in QUEUE_NAMES if name != PREDICT_QUEUE])
    installation.sync()

    assert only(installation.examine(), "wrong").what == f"no worker serves {PREDICT_QUEUE}"


def test_a_worker_that_has_been_silent_for_long_does_not_count(installation: Installation) -> None:
    installation.connection.flushall()
    worker = installation.start_worker()
    long_ago = (datetime.now(UTC) - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    installation.connection.hset(worker.key, "last_heartbeat", long_ago)
    installation.sync()

    assert only(installation.examine(), "wrong").what.startswith("no worker is running")


def test_a_webhook_with_the_right_login_is_well(installation: Installation) -> None:
    installation.change(oneshot_basic_auth_user="ann", oneshot_basic_auth_password="s3cret")
    installation.fake.webhooks[0].update(webhook_settings("ann", "s3cret"))

    findings = installation.examine()

    assert checks(findings, "wrong") == []
    assert not any("s3cret" in f"{finding}" for finding in findings)


@pytest.mark.parametrize(
    ("status", "backend", "to_do"),
    [
        (401, {}, "enter ONESHOT_BASIC_AUTH_USER"),
        (401, {"basic_auth_user": "bob"}, "enter ONESHOT_BASIC_AUTH_USER"),
        (503, {}, "REDIS_URL of `oneshot web`"),
        (404, {}, "this is not `oneshot web`"),
        (200, {}, "own host or container must reach it"),
    ],
)
def test_a_disconnected_backend_is_looked_at_from_here(
    installation: Installation, status: int, backend: dict[str, str], to_do: str
) -> None:
    with loopback() as web:
        web.answers["/health"] = Answer(b"{}", status)
        installation.connect(web.url, state="DI", readable_state="Disconnected", **backend)

        found = only(installation.examine(), "wrong")

        assert (found.check, to_do in found.to_do) == ("backend", True), found
        assert "authorization" not in web.asked[0].headers


def test_a_backend_that_is_down(installation: Installation) -> None:
    installation.connect(f"http://127.0.0.1:{free_port()}", state="DI", readable_state="Disconnected")

    assert "start `oneshot web` there" in only(installation.examine(), "wrong").to_do


@pytest.mark.parametrize("name", [name for name, (check, *_) in BROKEN.items() if check == "webhook"])
def test_whatever_is_wrong_with_the_webhook_a_sync_mends_it(installation: Installation, name: str) -> None:
    """To open the project queues none within ten minutes of the last one: a run begins with one at once."""
    BROKEN[name][-1](installation)

    found = only(installation.examine(), "wrong")

    assert found.to_do.startswith(f"run `oneshot prelabel --project {PROJECT}`: ")


def test_misspelt_settings_are_told(installation: Installation) -> None:
    findings = installation.examine(environment=["ONESHOT_TREADS", "ONESHOT_SAM", "PATH"])

    assert [each.to_do for each in findings if each.check == "settings"] == ["rename it to ONESHOT_THREADS"]


def test_weights_that_are_cut_short_are_told(installation: Installation, tmp_path: Path) -> None:
    """Of a folder that somebody has put there."""
    broken = tmp_path / "broken"
    shutil.copytree(installation.settings.oneshot_sam, broken)
    cut_short(broken / "model.safetensors")
    installation.change(oneshot_sam=str(broken))

    (found,) = [each for each in installation.examine() if each.check == "weights"]

    assert (found.state, found.to_do) == ("wrong", f"copy the checkpoint into {broken} again, whole")


@pytest.mark.weights
@pytest.mark.parametrize("file", ["encoder.safetensors", "decoder/model.safetensors"])
def test_of_mobilesam_one_command_makes_broken_weights_anew(
    installation: Installation, tmp_path: Path, weights: Path, file: str
) -> None:
    shutil.copytree(weights, tmp_path / weights.name)
    cut_short(tmp_path / weights.name / file)
    installation.change(oneshot_sam="mobilesam")

    (found,) = [each for each in installation.examine() if each.check == "weights"]

    assert found.state == "wrong"
    assert found.to_do == "run `oneshot checkpoints fetch`, which replaces what is broken"
    assert "Delete" not in found.what


@pytest.mark.parametrize(
    ("settings", "to_do"),
    [
        ({"oneshot_device": "cuda:63"}, "set ONESHOT_DEVICE to a device of this machine, or to auto"),
        (
            {"oneshot_device": "cpu", "oneshot_precision": "float16"},
            "set ONESHOT_PRECISION to numbers that the device has, or to auto",
        ),
    ],
)
def test_what_the_machine_does_not_have_is_one_setting_to_correct(
    installation: Installation, settings: dict[str, str], to_do: str
) -> None:
    installation.change(**settings)

    assert only(installation.examine(), "wrong").to_do == to_do


def cut_short(file: Path) -> None:
    """Lose the end of a file."""
    file.write_bytes(file.read_bytes()[:-100])
