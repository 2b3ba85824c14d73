"""What the project's webhook has to be like, so that its events reach our web process."""

import base64
from typing import Any

EVENTS = (
    "ANNOTATION_CREATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_DELETED",
    "TASKS_CREATED",
    "TASKS_DELETED",
    "PROJECT_UPDATED",
)


def webhook_settings(user: str, password: str) -> dict[str, Any]:
    """The webhook's fields: our events, with basic auth if *user* is set."""
    headers = {}
    if user:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return {
        "headers": headers,
        "is_active": True,
        "send_payload": True,
        "send_for_all_actions": False,
        "actions": list(EVENTS),
    }


def has_settings(webhook: Any, settings: dict[str, Any]) -> bool:  # noqa: ANN401 - the SDK's type is made at run time
    """Whether the SDK's *webhook* does what *settings* ask for; headers and events of its own are welcome."""
    sent = {str(getattr(each, "value", each)) for each in getattr(webhook, "actions", None) or []}
    headers = dict(getattr(webhook, "headers", None) or {})
    return (
        bool(getattr(webhook, "is_active", False))
        and bool(getattr(webhook, "send_payload", False))
        and (bool(getattr(webhook, "send_for_all_actions", False)) or sent >= set(settings["actions"]))
        and headers.items() >= settings["headers"].items()
    )


def with_own_headers(webhook: Any, settings: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Give *settings* with the headers that the SDK's *webhook* has besides: a proxy may ask for them."""
    return {**settings, "headers": {**(getattr(webhook, "headers", None) or {}), **settings["headers"]}}
