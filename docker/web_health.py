"""Exit 0 if the web process of this container is well: its health check.

``--alive``: also when it answers that Redis is gone, which a restart of this container would not cure.
"""

import http.client
import os
import sys

TIMEOUT_S = 2.5
WELL = (200, 401)  # with basic auth /health answers 401 without credentials; that is an answer too


def status(port: int) -> int:
    """The HTTP status of /health.

    Raises:
        OSError: nobody answers.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    connection.request("GET", "/health")
    return connection.getresponse().status


def main(arguments: list[str]) -> int:
    """Check, say what was wrong, and give the exit status."""
    try:
        got = status(int(os.environ.get("ONESHOT_PORT", "9090")))
    except (OSError, http.client.HTTPException) as exc:
        sys.stderr.write(f"expected /health to answer, got {type(exc).__name__}: {exc}\n")
        return 1
    if got not in WELL:
        sys.stderr.write(f"expected /health to answer 200 or 401, got {got}\n")
    return 0 if got in WELL or "--alive" in arguments else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
