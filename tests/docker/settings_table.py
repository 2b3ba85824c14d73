"""The table of all settings in docs/operations.md, written from the settings themselves.

.venv/bin/python -m tests.docker.settings_table     after a change of backend/settings.py
"""

from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from backend.settings import Settings

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"
HEAD = "| variable | default | meaning |\n| --- | --- | --- |\n"
OF_THE_USER = {"oneshot_cache": "~/.cache/label-studio-oneshot"}  # the default depends on who runs it


def settings_table() -> str:
    """The table, a row for each setting in their order."""
    rows = [
        f"| `{name.upper()}` | {_default(name, field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return HEAD + "\n".join(rows) + "\n"


def table_in(text: str) -> str:
    """The table as it stands in the text."""
    start = text.index(HEAD)
    end = text.find("\n\n", start)
    return text[start : end + 1] if end >= 0 else text[start:]


def _default(name: str, field: FieldInfo) -> str:
    value = OF_THE_USER.get(name, field.default)
    shown = value.get_secret_value() if isinstance(value, SecretStr) else value
    return "" if shown in ("", None) else f"`{shown}`"


if __name__ == "__main__":
    text = OPERATIONS.read_text()
    OPERATIONS.write_text(text.replace(table_in(text), settings_table()))
