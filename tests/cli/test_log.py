"""Log lines for people, or one JSON object a line; the request's id goes along."""

import json
import logging

import pytest

from backend.cli.log import JsonFormatter, configure_logging
from backend.jobs.request_id import current_request_id


@pytest.fixture
def record() -> logging.LogRecord:
    return logging.LogRecord("backend.worker", logging.INFO, "f.py", 1, "job %s: %d done", ("a", 3), None)


def test_a_json_line_holds_what_happened(record: logging.LogRecord) -> None:
    entry = json.loads(JsonFormatter().format(record))

    assert entry["message"] == "job a: 3 done"
    assert (entry["level"], entry["logger"]) == ("INFO", "backend.worker")
    assert entry["time"].endswith("+00:00")
    assert "request_id" not in entry


def test_a_traceback_stays_on_its_line(record: logging.LogRecord) -> None:
    problem = ValueError("two\nlines")
    record.exc_info = (type(problem), problem, problem.__traceback__)
    line = JsonFormatter().format(record)

    assert "\n" not in line
    assert "ValueError: two\nlines" in json.loads(line)["traceback"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_id_of_the_request_stands_in_the_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    root = logging.RootLogger(logging.INFO)
    monkeypatch.setattr(logging, "root", root)
    configure_logging("INFO", log_format)
    token = current_request_id.set("request-1")
    root.info("hello")
    current_request_id.reset(token)
    root.info("bye")

    first, second = capsys.readouterr().err.splitlines()
    assert "hello" in first
    assert "request-1" in first
    assert "request-1" not in second
