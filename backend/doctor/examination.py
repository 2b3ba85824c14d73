"""Checks that need one another: what fails stops those that need it, and no others."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from backend.labelstudio.errors import TokenRefusedError, TransientError

State = Literal["ok", "warning", "wrong", "not checked"]
Found_co = TypeVar("Found_co", covariant=True)
Value = TypeVar("Value")

_MOST_TOLD = 500

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finding:
    """What one look gave.

    Attributes:
        check: what was looked at.
        state: whether that is as it should be.
        what: what was found, for a person.
        to_do: the one thing to do about it; empty if nothing.
    """

    check: str
    state: State
    what: str
    to_do: str = ""


class Trouble(Exception):  # noqa: N818 - it is a finding, not an error of ours
    """Something is wrong, so that what needs it cannot be looked at. Takes what, and the one thing to do."""

    def __init__(self, what: str, to_do: str) -> None:
        super().__init__(what)
        self.to_do = to_do


class NotCheckedError(Exception):
    """This cannot be looked at from here. Takes the reason."""


@dataclass(frozen=True)
class Found(Generic[Found_co]):
    """What a check found for others to go on with; ``values`` is empty where it could not."""

    check: str
    values: tuple[Found_co, ...]


@dataclass
class Notes:
    """Where a check says what it saw."""

    check: str
    findings: list[Finding] = field(default_factory=list)

    def well(self, what: str) -> None:
        """Note that something is as it should be."""
        self.findings.append(Finding(self.check, "ok", what))

    def warn(self, what: str, to_do: str) -> None:
        """Note something that may be meant so, or that costs little."""
        self.findings.append(Finding(self.check, "warning", what, to_do))

    def wrong(self, what: str, to_do: str) -> None:
        """Note something that keeps the backend from its work."""
        self.findings.append(Finding(self.check, "wrong", what, to_do))

    def not_checked(self, what: str) -> None:
        """Note what could not be looked at, and why."""
        self.findings.append(Finding(self.check, "not checked", what))


class Examination:
    """Looks at one thing after the other, and shows what it found at once.

    Args:
        show: is given the findings of each look.
    """

    def __init__(self, show: Callable[[list[Finding]], None] = lambda _: None) -> None:
        self.findings: list[Finding] = []
        self._show = show

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong; warnings are allowed, and what could not be checked."""
        return not any(finding.state == "wrong" for finding in self.findings)

    def look(self, check: str, function: Callable[..., Value], *needed: Found[Any]) -> Found[Value]:
        """Give *function* its notes and what it needs; what it returns is for those that need it in turn."""
        notes = Notes(check)
        values: tuple[Value, ...] = ()
        missing = [need.check for need in needed if not need.values]
        if missing:
            notes.not_checked(f"needs {' and '.join(dict.fromkeys(missing))}")
        else:
            with _told(notes):
                values = (function(notes, *(need.values[0] for need in needed)),)
        self.findings += notes.findings
        self._show(notes.findings)
        return Found(check, values)


@contextmanager
def _told(notes: Notes) -> Iterator[None]:
    """Note whatever ends a check: a doctor does not fall ill."""
    try:
        yield
    except Trouble as trouble:
        notes.wrong(str(trouble), trouble.to_do)
    except NotCheckedError as exc:
        notes.not_checked(str(exc))
    except ModuleNotFoundError as exc:
        notes.not_checked(f"needs the Python package {exc.name}: run this where the worker is installed")
    except TokenRefusedError as exc:
        notes.wrong(
            f"the API key's user may not do this: {exc}"[:_MOST_TOLD],
            "set LABEL_STUDIO_API_KEY to a key of a member with rights to the project: an administrator",
        )
    except TransientError as exc:
        notes.wrong(
            f"there is no answer now: {exc}"[:_MOST_TOLD],
            "try again in a while; if it stays so, see Label Studio's log",
        )
    except Exception as exc:  # the other checks go on
        logger.debug("%s", notes.check, exc_info=True)
        notes.wrong(
            f"could not be checked: {type(exc).__name__}: {exc}"[:_MOST_TOLD],
            "run this again with ONESHOT_LOG_LEVEL=DEBUG, and report what it says",
        )
