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
    """Whether the SDK's *webhook* has all of *settings*."""
    return all(_comparable(getattr(webhook, name, None)) == _comparable(settings[name]) for name in settings)


def _comparable(value: object) -> object:
    return set(value) if isinstance(value, list) else value
