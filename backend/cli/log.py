"""Logging, set up once per process."""

import logging

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
CHATTY = ("httpx", "httpcore", "urllib3", "PIL", "filelock")  # one line per request, with addresses in it


def configure_logging(level: str) -> None:
    """Log to standard error from *level* up; libraries that log each request stay quiet below WARNING."""
    logging.basicConfig(level=level, format=FORMAT)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
