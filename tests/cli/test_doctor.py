"""The command around the doctor, where neither Label Studio nor Redis is."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from backend.cli.main import main
from backend.demo.processes import free_port


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "a" * 40)
    monkeypatch.setenv("REDIS_URL", f"redis://user:s3cret@127.0.0.1:{free_port()}/0")
    monkeypatch.setenv("ONESHOT_CACHE", str(tmp_path))
    monkeypatch.setenv("ONESHOT_CACHE_BYTES", "0")


def run(*arguments: str) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(main, ["doctor", *arguments])


def test_it_exits_1_and_says_each_trouble_and_no_secret() -> None:
    result = run("--project", "2")

    assert result.exit_code == 1
    assert "WRONG    Label Studio " in result.output
    assert "WRONG    Redis " in result.output
    assert "WRONG    weights " in result.output
    assert "oneshot checkpoints fetch" in result.output
    assert result.output.endswith("3 wrong; begin with the first: Label Studio\n")
    assert "s3cret" not in result.output
    assert "a" * 40 not in result.output


def test_json_is_all_that_is_printed() -> None:
    told = json.loads(run("--json").stdout)

    assert (told["project"], told["well"]) == (None, False)
    assert {"check", "state", "what", "to_do"} == set(told["findings"][0])


@pytest.mark.parametrize("project", ["0", "two"])
def test_what_cannot_be_a_project_is_bad_usage(project: str) -> None:
    assert run("--project", project).exit_code == 2
