"""Claims about the command ``oneshot`` itself."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from backend.cli.main import COMMANDS, ERROR_TREES, errors_as_one_line, main, own_errors


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])

    assert result.exit_code == 0, result.output
    assert "Example" in result.output


def test_the_list_of_commands_shows_a_line_for_each() -> None:
    result = CliRunner().invoke(main, ["--help"])

    assert result.exit_code == 0
    assert [name for name in COMMANDS if f"  {name} " not in result.output] == []


def test_an_unknown_command_is_bad_usage() -> None:
    assert CliRunner().invoke(main, ["predict"]).exit_code == 2


def test_a_wrong_setting_is_one_line_that_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONESHOT_PORT", "99999")

    result = CliRunner().invoke(main, ["web"])

    assert result.exit_code == 2
    assert "ONESHOT_PORT: Input should be less than or equal to 65535" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("index", range(len(ERROR_TREES)))
def test_an_error_of_our_own_trees_becomes_a_message(index: int) -> None:
    error = own_errors()[index]("expected a coin, got a button")

    with pytest.raises(click.ClickException, match="expected a coin, got a button"), errors_as_one_line():
        raise error


def test_a_missing_extra_is_said() -> None:
    with pytest.raises(click.ClickException, match="package torch is not installed"), errors_as_one_line():
        raise ModuleNotFoundError("No module named 'torch'", name="torch")


def test_an_error_that_is_not_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), errors_as_one_line():
        raise ZeroDivisionError


def test_help_starts_without_torch() -> None:
    """Listing the commands imports each one's module, so none may load the models at import."""
    program = (
        "import sys; from click.testing import CliRunner; from backend.cli.main import main;"
        "CliRunner().invoke(main, ['--help']);"
        "print(sorted({'torch', 'transformers', 'flask'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
