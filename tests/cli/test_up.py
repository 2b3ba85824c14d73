"""Claims about ``oneshot up``."""

import socket

import pytest
from click.testing import CliRunner

from backend.cli.main import main


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
