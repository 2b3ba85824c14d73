"""Claims about ``oneshot up``."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests
from click.testing import CliRunner

from backend.cli.main import main
from backend.demo.label_studio import LabelStudioServer
from backend.demo.processes import free_port


def test_without_a_token_it_says_where_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)

    result = CliRunner().invoke(main, ["up"])

    assert result.exit_code == 2
    assert "LABEL_STUDIO_API_KEY is not set" in result.output


def test_a_port_in_use_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", "key")
        monkeypatch.setenv("ONESHOT_HOST", "127.0.0.1")
        monkeypatch.setenv("ONESHOT_PORT", str(taken.getsockname()[1]))

        result = CliRunner().invoke(main, ["up"])

    assert result.exit_code == 1
    assert "set ONESHOT_PORT to another one" in result.output


def up_process(tmp_path: Path, port: int, url: str, token: str) -> subprocess.Popen[str]:
    """``oneshot up`` as `make up` starts it, without a Redis of its own."""
    told = {
        "LABEL_STUDIO_URL": url,
        "LABEL_STUDIO_API_KEY": token,
        "ONESHOT_HOST": "127.0.0.1",
        "ONESHOT_PORT": str(port),
    }
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_URL"} | told
    command = [sys.executable, "-m", "backend.cli", "up", "--logs", str(tmp_path)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


@pytest.mark.label_studio
@pytest.mark.weights
def test_it_serves_until_ctrl_c_and_leaves_nothing(label_studio: LabelStudioServer, tmp_path: Path) -> None:
    port = free_port()
    up = up_process(tmp_path, port, label_studio.url, label_studio.token)
    assert up.stdout is not None

    first_line = up.stdout.readline()
    health = requests.get(f"http://127.0.0.1:{port}/health", timeout=5)
    started = psutil.Process(up.pid).children(recursive=True)
    up.send_signal(signal.SIGINT)
    rest, _ = up.communicate(timeout=60)

    assert first_line.startswith(f"Connect http://127.0.0.1:{port} in Label Studio")
    assert health.json()["status"] == "UP"
    assert len(started) >= 3, "a queue, a web process, a worker"
    assert up.returncode == 0, rest
    assert psutil.wait_procs(started, timeout=10)[1] == []


@pytest.mark.label_studio
def test_a_refused_token_ends_it_with_the_reason(label_studio: LabelStudioServer, tmp_path: Path) -> None:
    up = up_process(tmp_path, free_port(), label_studio.url, "not-a-token")

    output, _ = up.communicate(timeout=120)

    assert up.returncode == 1
    assert "worker ended with status 1" in output
    assert "LABEL_STUDIO_API_KEY" in output
    assert "Traceback" not in output
