"""Claims about ``oneshot demo``."""

from pathlib import Path

from click.testing import CliRunner

from backend.cli.main import main


def test_a_missing_folder_of_images_is_bad_usage(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["demo", "--images", str(tmp_path / "missing")])

    assert result.exit_code == 2


def test_an_empty_folder_of_images_is_said_before_anything_starts(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["demo", "--images", str(tmp_path), "--data", str(tmp_path / "data")])

    assert result.exit_code == 1
    assert "holds 0 images" in result.output
    assert not (tmp_path / "data").exists()
