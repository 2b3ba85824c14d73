"""Logging, set up once per process."""

import json
import logging
from datetime import UTC, datetime

from backend.jobs.request_id import current_request_id

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s%(request)s"
CHATTY = ("httpx", "httpcore", "urllib3", "PIL", "filelock")  # one line per request, with addresses in it


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message; request_id and traceback where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the record as one line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": current_request_id.get(),
            "traceback": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return json.dumps({name: value for name, value in entry.items() if value}, ensure_ascii=False)


def configure_logging(level: str, log_format: str = "text") -> None:
    """Log to standard error from *level* up; libraries that log each request stay quiet below WARNING.

    Args:
        level: as ``logging`` names it.
        log_format: ``text`` for lines that people read, ``json`` for one object a line.
    """
    handler = logging.StreamHandler()
    handler.addFilter(_add_request)
    handler.setFormatter(JsonFormatter() if log_format == "json" else logging.Formatter(FORMAT))
    logging.basicConfig(level=level, handlers=[handler])
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _add_request(record: logging.LogRecord) -> bool:
    request_id = current_request_id.get()
    record.request = f" [request {request_id}]" if request_id else ""
    return True
