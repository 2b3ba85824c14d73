"""What Label Studio says of its connections to our web process: ML backends, webhooks, addresses."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import httpx

Connection = Literal["backend", "webhook"]
_NOTHING = "no such thing"  # neither an action nor a way to log in
_REFUSALS = re.compile(r"reserved network|banned|resolve", re.IGNORECASE)
_MOST_DETAIL = 200


@dataclass(frozen=True)
class MlBackend:
    """An ML backend of a project.

    Attributes:
        id: the backend's.
        title: as the project's settings show it.
        url: without a slash at its end.
        is_connected: whether it answered just now.
        state: the same in Label Studio's word.
        error: what it answered instead, or empty.
        model_version: what its ``/setup`` said last.
        basic_auth_user: whom Label Studio logs in as; empty: as nobody.
    """

    id: int
    title: str
    url: str
    is_connected: bool
    state: str
    error: str
    model_version: str
    basic_auth_user: str

    @classmethod
    def of(cls, found: Any) -> Self:  # noqa: ANN401 - the SDK's type is made at run time
        """Take it out of the SDK's."""
        state = getattr(found.state, "value", found.state)
        return cls(
            id=int(found.id),
            title=found.title or "",
            url=str(found.url).rstrip("/"),
            is_connected=state == "CO",
            state=str(found.readable_state or state),
            error=str(found.error_message or ""),
            model_version=found.model_version or "",
            basic_auth_user=found.basic_auth_user or "",
        )


@dataclass(frozen=True)
class Webhook:
    """A webhook of a project; ``actions`` is None where it sends all of them."""

    id: int
    url: str
    is_active: bool
    sends_payload: bool
    actions: frozenset[str] | None
    headers: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, found: Any) -> Self:  # noqa: ANN401 - the SDK's type is made at run time
        """Take it out of the SDK's."""
        actions = frozenset(str(getattr(each, "value", each)) for each in found.actions or [])
        return cls(
            id=int(found.id),
            url=str(found.url),
            is_active=bool(found.is_active),
            sends_payload=bool(found.send_payload),
            actions=None if found.send_for_all_actions else actions,
            headers=dict(found.headers or {}),
        )


def wrong_but_for_address(kind: Connection, url: str) -> tuple[str, dict[str, Any]]:
    """Path and body of a request to connect *url* that cannot succeed, whatever the address."""
    if kind == "webhook":
        return "/api/webhooks/", {"url": url, "actions": [_NOTHING]}
    return "/api/ml/", {"url": url, "auth_method": _NOTHING}


def refused_address(reply: httpx.Response) -> str | None:
    """Label Studio's own words if *reply* says that the address is the trouble; else None."""
    if reply.status_code < 400:
        return None
    try:
        content = reply.json()
    except ValueError:
        return None
    detail = content.get("detail") if isinstance(content, dict) else None
    of_address = content.get("url") if isinstance(content, dict) else None
    text = " ".join(str(each) for each in (detail, of_address) if each)
    return text[:_MOST_DETAIL] if _REFUSALS.search(text) else None
