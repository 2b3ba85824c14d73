"""Label Studio: its address and the token, the project, and its connections to our web process."""

from collections.abc import Sequence

import httpx

from backend.doctor.examination import NotCheckedError, Notes, Trouble
from backend.labelstudio.certificates import TRUST_IT
from backend.labelstudio.client import LabelStudio, Project
from backend.labelstudio.connections import Connection, MlBackend, Webhook
from backend.labelstudio.errors import (
    LabelStudioError,
    NotFoundError,
    TokenRefusedError,
    UntrustedCertificateError,
)
from backend.labelstudio.webhooks import webhook_settings
from backend.settings import Settings

SOMEWHERE_PRIVATE = "http://127.0.0.1:9090"
_SWITCHES: dict[Connection, tuple[str, str, str]] = {
    "backend": ("ML_BLOCK_LOCAL_IP", "connects no backend at", "ML backends at"),
    "webhook": ("SSRF_PROTECTION_ENABLED", "silently drops events to", "events to"),
}
_ANNOTATION_EVENTS = frozenset({"ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"})
_MOST_SHOWN = 10
_HEALTH_TIMEOUT_S = 5.0


def reach_label_studio(notes: Notes, settings: Settings) -> LabelStudio:
    """Ask whose token it is; the client is for the caller to close."""
    url, key = settings.label_studio_url, settings.label_studio_api_key.get_secret_value()
    if not key:
        raise Trouble(
            "LABEL_STUDIO_API_KEY is not set",
            f"create a token in Account & Settings of {url}, and set it to that",
        )
    try:
        client = LabelStudio(url, key, timeout_s=settings.oneshot_fetch_timeout_s)
        notes.well(f"{url} answers, and takes the token of {client.user()}")
    except TokenRefusedError as exc:
        raise Trouble(
            str(exc), "set LABEL_STUDIO_API_KEY to a personal access token (Account & Settings) that is valid"
        ) from exc
    except UntrustedCertificateError as exc:
        raise Trouble(str(exc), TRUST_IT) from exc
    except LabelStudioError as exc:
        raise Trouble(
            str(exc), "set LABEL_STUDIO_URL to the address that Label Studio has here, and see that it runs"
        ) from exc
    return client


def read_project(notes: Notes, client: LabelStudio, project_id: int | None) -> Project:
    """Read the project; without an id, say which there are."""
    try:
        if project_id is None:
            ids = client.project_ids()
            shown = ", ".join(map(str, ids[:_MOST_SHOWN])) + (", …" if len(ids) > _MOST_SHOWN else "")
            raise NotCheckedError(f"needs --project ID; the token sees {shown or 'no project'}")
        project = client.project(project_id)
    except (NotFoundError, TokenRefusedError) as exc:
        raise Trouble(
            f"the token's user sees no project {project_id}: {exc}",
            "correct the id (it stands in the project's address), or make the user a member of the project",
        ) from exc
    notes.well(f"{project.id}: {project.title}")
    return project


def look_at_rights(notes: Notes, client: LabelStudio, project: Project) -> None:
    """Whether the user may store predictions: stores none."""
    try:
        client.require_predictions_right(project.id)
    except TokenRefusedError as exc:
        raise Trouble(
            f"the token's user may not store predictions: {exc}",
            "take a token of a manager or administrator of the project",
        ) from exc
    notes.well("the token's user may store predictions")


def look_at_backends(
    notes: Notes, client: LabelStudio, project: Project, settings: Settings
) -> list[MlBackend]:
    """Whether the project has our ML backend, and whether Label Studio reaches it."""
    backends = client.ml_backends(project.id)
    if not backends:
        raise Trouble(
            "no ML backend is connected to the project",
            "Settings, Model, Connect Model: the address of `oneshot web` as Label Studio reaches it "
            f"(its port here: {settings.oneshot_port})",
        )
    for backend in backends:
        if backend.is_connected:
            notes.well(f"{backend.title!r} at {backend.url}: {backend.state}")
        else:
            notes.wrong(*_why_disconnected(client, backend, settings))
    if len(backends) > 1:
        notes.warn(
            f"{len(backends)} ML backends: Label Studio asks only the first, {backends[0].title!r}",
            "remove the others in Settings, Model",
        )
    return backends


def look_at_addresses(
    notes: Notes, client: LabelStudio, kind: Connection, backends: Sequence[MlBackend]
) -> None:
    """Whether Label Studio may call our web process; without *backends*, private addresses at all."""
    variable, does, allowed = _SWITCHES[kind]
    suffix = "/webhook" if kind == "webhook" else ""
    for url in [backend.url for backend in backends] or [SOMEWHERE_PRIVATE]:
        refusal = client.refusal(kind, url + suffix)
        if refusal is None and backends:
            notes.well(f"Label Studio's settings allow {allowed} {url + suffix}")
        elif refusal is None:
            untried = "whether one answers was not tried"
            notes.well(f"Label Studio's settings allow {allowed} private addresses; {untried}")
        elif "resolve" in refusal and "reserved" not in refusal:
            notes.wrong(
                f"Label Studio does not know the host of {url}: {refusal}",
                "connect the model by a name or number that Label Studio's own host knows",
            )
        elif backends:
            notes.wrong(
                f"Label Studio {does} {url + suffix}: {refusal}",
                f"start Label Studio with {variable}=false, as this address is private",
            )
        else:
            notes.warn(
                f"Label Studio {does} private addresses ({refusal})",
                f"if `oneshot web` has one, start Label Studio with {variable}=false",
            )


def look_at_webhook(
    notes: Notes, client: LabelStudio, project: Project, backends: Sequence[MlBackend], settings: Settings
) -> None:
    """Whether the project's events go to each of its backends, and are let in there."""
    try:
        webhooks = client.webhooks(project.id)
    except TokenRefusedError as exc:
        raise Trouble(str(exc), "take a token of an administrator: other users may not see webhooks") from exc
    for backend in backends:
        wanted = f"{backend.url}/webhook"
        found = [webhook for webhook in webhooks if webhook.url == wanted]
        run = f"run `oneshot prelabel --project {project.id}`: a worker then"
        if found:
            _look_at(notes, found, settings, f"{run} corrects the webhook, by its own settings")
        else:
            elsewhere = ", ".join(each.url for each in webhooks) or "none at all"
            notes.wrong(
                f"no webhook to {wanted}, so Submit starts nothing; there is {elsewhere}",
                f"{run} creates the webhook",
            )


def _look_at(notes: Notes, webhooks: Sequence[Webhook], settings: Settings, to_do: str) -> None:
    """Say what is wrong with the webhooks of one address; one that is right is enough."""
    troubles = [_trouble(webhook, settings) for webhook in webhooks]
    if None in troubles:
        notes.well(f"{webhooks[0].url} is told of annotations")
        return
    notes.wrong(next(filter(None, troubles)), to_do)


def _trouble(webhook: Webhook, settings: Settings) -> str | None:
    if not webhook.is_active:
        return f"the webhook {webhook.url} is switched off"
    if not webhook.sends_payload:
        return f"the webhook {webhook.url} does not say what happened"
    missing = set() if webhook.actions is None else _ANNOTATION_EVENTS - webhook.actions
    if missing:
        return f"the webhook {webhook.url} does not send {', '.join(sorted(missing))}"
    return _trouble_with_login(webhook, settings)


def _trouble_with_login(webhook: Webhook, settings: Settings) -> str | None:
    user, password = settings.oneshot_basic_auth_user, settings.oneshot_basic_auth_password
    wanted: dict[str, str] = webhook_settings(user, password.get_secret_value())["headers"]
    given = {name.lower(): value for name, value in webhook.headers.items()}.get("authorization")
    if given == wanted.get("Authorization"):
        return None
    if not user:
        return None  # our web process asks for nothing, as far as is known here
    came = "another login than" if given else "no login, though this backend asks for"
    return f"the webhook {webhook.url} sends {came} ONESHOT_BASIC_AUTH_USER and its password"


def _why_disconnected(client: LabelStudio, backend: MlBackend, settings: Settings) -> tuple[str, str]:
    """What Label Studio says of a backend, and what a look from here adds."""
    said = f"Label Studio calls {backend.title!r} at {backend.url} {backend.state}"
    if backend.error and backend.state.lower().startswith("err"):
        return f"{said}: {backend.error[:300]}", "see the log of `oneshot web` at that time"
    refusal = _refusal(client, backend)
    if refusal is not None:
        return f"{said}: {refusal}", "see `backend address`, which says which setting of Label Studio does it"
    status = _health(backend.url)
    user = settings.oneshot_basic_auth_user
    if status == 401:
        if not backend.basic_auth_user:
            return f"{said}: it asks for a login, and Label Studio has none", _ENTER_LOGIN
        other = f" {backend.basic_auth_user!r} instead of {user!r}" if backend.basic_auth_user != user else ""
        return f"{said}: it asks for a login, and does not take Label Studio's{other}", _ENTER_LOGIN
    if status is None:
        return (
            f"{said}, and from here nothing answers at {backend.url}/health either",
            "start `oneshot web` there; if it runs elsewhere, correct the address in Settings, Model",
        )
    if status != 200:
        return (
            f"{said}; from here, {backend.url}/health answers {status}",
            "see that REDIS_URL of `oneshot web` is right, and its log" if status == 503
            else "correct the address in Settings, Model: this is not `oneshot web`",
        )  # fmt: skip
    return (
        f"{said}, but from here it answers",
        "correct the address in Settings, Model: Label Studio's own host or container must reach it",
    )


_ENTER_LOGIN = "enter ONESHOT_BASIC_AUTH_USER and its password in Settings, Model, at the model's `Edit`"


def _refusal(client: LabelStudio, backend: MlBackend) -> str | None:
    try:
        return client.refusal("backend", backend.url)
    except LabelStudioError:
        return None


def _health(url: str) -> int | None:
    """The status that ``/health`` answers here, without any login; None if nothing answers."""
    try:
        return httpx.get(f"{url}/health", timeout=_HEALTH_TIMEOUT_S).status_code
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
