"""Label Studio starts as the demo and the tests need it."""

from pathlib import Path

import pytest
import requests

from backend.demo.errors import DemoSetupError
from backend.demo.label_studio import LabelStudioServer, label_studio_version, migrated_data_dir


@pytest.mark.label_studio
def test_the_user_is_there_and_its_legacy_token_works(label_studio: LabelStudioServer) -> None:
    headers = {"Authorization": f"Token {label_studio.token}"}

    user = requests.get(f"{label_studio.url}/api/current-user/whoami", headers=headers, timeout=10).json()

    assert user["email"] == label_studio.email


@pytest.mark.label_studio
def test_its_pages_report_to_nobody(label_studio: LabelStudioServer) -> None:
    """Label Studio ships with the address of a crash reporter."""
    page = requests.get(f"{label_studio.url}/user/login/", timeout=10).text

    assert "sentry.io" not in page


def test_a_missing_environment_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DemoSetupError, match=r"no Label Studio in .*; run `make setup`"):
        migrated_data_dir(tmp_path, environment=tmp_path / ".venv-label-studio")


def test_an_environment_without_label_studio_says_what_to_run(tmp_path: Path) -> None:
    executable = tmp_path / "bin" / "label-studio"
    executable.parent.mkdir()
    executable.touch()

    with pytest.raises(DemoSetupError, match="no label-studio installed in"):
        label_studio_version(tmp_path)
