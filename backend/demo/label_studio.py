"""The real Label Studio, from an environment of its own, set up for a backend on the same machine."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backend.demo.errors import DemoSetupError
from backend.demo.processes import Processes, free_port, require_free_port

FIRST_START_TIMEOUT_S = 240.0  # the first start runs all migrations
PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
)  # anything else could be taken for one of its settings


@dataclass(frozen=True)
class LabelStudioAccount:
    """The user that the first start creates; later starts on the same data ignore it."""

    email: str = "demo@example.com"
    password: str = "one-mask-in"  # noqa: S105 - listens on this machine only
    token: str = "0123456789abcdef0123456789abcdef01234567"  # noqa: S105 - listens on this machine only


@dataclass(frozen=True)
class LabelStudioServer:
    """A running Label Studio and how to log in."""

    url: str
    token: str
    email: str
    password: str


def start_label_studio(
    processes: Processes,
    *,
    environment: Path,
    data_dir: Path,
    port: int | None = None,
    account: LabelStudioAccount | None = None,
    local_files_root: Path | None = None,
    variables: Mapping[str, str] | None = None,
    timeout_s: float = FIRST_START_TIMEOUT_S,
) -> LabelStudioServer:
    """Start Label Studio and wait until it answers.

    Args:
        processes: who stops it.
        environment: the virtual environment that holds label-studio (`make setup` makes it).
        data_dir: its database, uploads and secret key; made if missing.
        port: where it listens; None picks a free one.
        account: the user made by the first start on *data_dir*.
        local_files_root: folder whose subfolders may be added as local storage; None: no local files.
        variables: more of its environment.
        timeout_s: seconds until it must answer; the first start takes 25 to 60.

    Raises:
        DemoSetupError: the environment or the port is not there to be used.
        DemoProcessError: it ended or did not answer in time.
    """
    account = account or LabelStudioAccount()
    port = port or free_port()
    require_free_port(port, purpose="Label Studio needs it: stop what uses it, or choose another port")
    data_dir.mkdir(parents=True, exist_ok=True)
    options = ["--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    child = processes.start(
        "label-studio",
        [_executable(environment), "start", *options],
        environment={
            **_environment(data_dir, port, account),
            **_local_files(local_files_root),
            **(variables or {}),
        },
        folder=data_dir,
    )
    url = f"http://127.0.0.1:{port}"
    child.wait_healthy(f"{url}/health", timeout_s=timeout_s)
    return LabelStudioServer(url=url, token=account.token, email=account.email, password=account.password)


def label_studio_version(environment: Path) -> str:
    """The version of label-studio in *environment*.

    Raises:
        DemoSetupError: there is none.
    """
    _executable(environment)
    found = sorted(environment.glob("lib/python3*/site-packages/label_studio-*.dist-info"))
    if not found:
        raise DemoSetupError(f"no label-studio installed in {environment}; run `make setup`")
    return found[0].name.removeprefix("label_studio-").removesuffix(".dist-info")


def migrated_data_dir(
    cache_dir: Path, *, environment: Path, account: LabelStudioAccount | None = None
) -> Path:
    """A data folder of this version that has been started once; copy it, and the copy starts in seconds.

    Made once under *cache_dir*, and then found there. Of two that ask at once, the first to finish wins.

    Raises:
        DemoSetupError, DemoProcessError: as ``start_label_studio``.
    """
    account = account or LabelStudioAccount()
    name = f"{label_studio_version(environment)}-{hashlib.sha256(repr(account).encode()).hexdigest()[:12]}"
    template = cache_dir / name
    if template.is_dir():
        return template
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir, prefix=".new-") as workspace:
        fresh = Path(workspace, "data")
        with Processes(Path(workspace)) as processes:
            start_label_studio(processes, environment=environment, data_dir=fresh, account=account)
        _move_unless_there(fresh, template)
    return template


def copy_data_dir(template: Path, data_dir: Path) -> None:
    """Copy a data folder whose Label Studio is not running, secret key and uploads included."""
    shutil.copytree(template, data_dir)


def _move_unless_there(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was first, and its folder is as good
            raise


def _executable(environment: Path) -> Path:
    executable = environment.absolute() / "bin" / "label-studio"
    if not executable.is_file():
        raise DemoSetupError(f"no Label Studio in {environment}: {executable} is missing; run `make setup`")
    return executable


def _environment(data_dir: Path, port: int, account: LabelStudioAccount) -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    settings = {
        "BASE_DATA_DIR": str(data_dir.absolute()),
        "USERNAME": account.email,
        "PASSWORD": account.password,
        "USER_TOKEN": account.token,
        "ENABLE_LEGACY_API_TOKEN": "true",
        "HOST": f"http://127.0.0.1:{port}",
        "ML_BLOCK_LOCAL_IP": "false",  # else it refuses to connect a backend on this machine
        "SSRF_PROTECTION_ENABLED": "false",  # else it drops webhooks to this machine, silently
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",  # crash reports, of the server and of the page, stay here
        "FRONTEND_SENTRY_DSN": "",
    }
    return passed_on | {f"LABEL_STUDIO_{name}": value for name, value in settings.items()}


def _local_files(root: Path | None) -> dict[str, str]:
    if root is None:
        return {}
    return {
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(root.absolute()),
    }
