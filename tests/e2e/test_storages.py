"""From one mask to predictions where the images lie in a storage: each of Label Studio's, and the web."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import expect

from backend.demo.coins import DemoImage, reference_mask
from backend.demo.label_studio import (
    LabelStudioServer,
    copy_data_dir,
    migrated_data_dir,
    start_label_studio,
)
from backend.demo.processes import Processes, free_port
from backend.demo.valkey import start_valkey
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.errors import FetchRefusedError
from backend.labelstudio.fetch import ImageFetcher
from backend.labelstudio.images import ImageLimits
from backend.labelstudio.network import PrivateHosts
from tests.annotator import Annotator, annotator_at, brush_region
from tests.authority import private_authority
from tests.conftest import ARTEFACTS, LABEL_STUDIO_ENVIRONMENT
from tests.e2e.clouds import (
    GOOGLE_TOKEN,
    Bucket,
    azure_bucket,
    google_bucket,
    google_environment,
    s3_bucket,
    synced_tasks,
)
from tests.e2e.editor import REGION_ROW, logged_in, open_task
from tests.labelstudio.loopback import Answer, Asked, Loopback, loopback
from tests.stack import Stack, start_stack

pytestmark = [pytest.mark.label_studio, pytest.mark.weights]

FIRST, SECOND = "set/first one.png", "set/second.png"  # a space, so that every address has to be quoted
REFERENCE, TEST = "coins-1", "coins-7"


@dataclass(frozen=True)
class Setup:
    """A Label Studio, our processes, and servers in the place of the internet's.

    Attributes:
        label_studio: knows where Google's storage is; calls itself by another name than our worker does.
        stack: its worker may ask 127.0.0.1, and trusts who signed for *https*.
        http: S3, Google's, Azure's storage, and a plain web server.
        https: the same with TLS; presigned addresses of Azure lead here.
        buckets: by the kind of storage.
        files: a folder that Label Studio may serve.
    """

    label_studio: LabelStudioServer
    stack: Stack
    http: Loopback
    https: Loopback
    buckets: dict[str, Bucket]
    files: Path

    def asked_for(self, key: str) -> list[Asked]:
        """The requests for the bytes of an image, in order."""
        name = key.rpartition("/")[2].replace(" ", "%20")
        return [
            asked
            for server in (self.http, self.https)
            for asked in server.asked
            if asked.path.replace("%2F", "/").endswith(f"/{name}") and "/storage/v1/" not in asked.path
        ]


@pytest.fixture(scope="module")
def setup(
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
    environment: Callable[..., dict[str, str]],
    coins: dict[str, DemoImage],
) -> Iterator[Setup]:
    """Each storage with two images of coins."""
    template = migrated_data_dir(
        pytestconfig.cache.mkdir("label-studio"), environment=LABEL_STUDIO_ENVIRONMENT
    )
    data_dir = tmp_path_factory.mktemp("label-studio") / "data"
    copy_data_dir(template, data_dir)
    trusted, tls = private_authority(tmp_path_factory.mktemp("authority"))
    images = {FIRST: coins[REFERENCE].png(), SECOND: coins[TEST].png()}
    files = tmp_path_factory.mktemp("local-files") / "set"
    files.mkdir()
    for key, data in images.items():
        (files.parent / key).write_bytes(data)
    with loopback() as http, loopback(tls) as https, Processes(ARTEFACTS / "logs-storages") as processes:
        buckets = {
            "S3": s3_bucket(http, images),
            "Google": google_bucket(http, images),
            "Azure": azure_bucket(http, images, presigned=https),
        }
        for server in (http, https):
            for key, data in images.items():
                server.answers[f"/{key.replace(' ', '%20')}"] = Answer(
                    data, headers={"Content-Type": "image/png", "Access-Control-Allow-Origin": "*"}
                )
        port = free_port()
        label_studio = start_label_studio(
            processes,
            environment=LABEL_STUDIO_ENVIRONMENT,
            data_dir=data_dir,
            port=port,
            local_files_root=files.parent,
            variables={**google_environment(http), "LABEL_STUDIO_HOST": f"http://localhost:{port}"},
        )
        settings = environment(
            redis_url=start_valkey(processes),
            label_studio_url=label_studio.url,
            oneshot_private_hosts="127.0.0.1",
            ssl_cert_file=str(trusted),
        )
        stack = start_stack(processes, settings, name="storages")
        yield Setup(label_studio, stack, http, https, buckets, files)


@pytest.fixture(scope="module")
def annotator(setup: Setup) -> Annotator:
    return annotator_at(setup.label_studio)


def predicted_things(
    setup: Setup, annotator: Annotator, coins: dict[str, DemoImage], project: int, first: int, second: int
) -> int:
    """One coin of the first image is annotated: how many things are predicted in the second one."""
    annotator.connect(project, setup.stack.url)
    for server in (setup.http, setup.https):
        server.asked.clear()
    annotator.annotate(first, [brush_region(reference_mask(coins[REFERENCE]))])
    row = setup.stack.wait_for_tasks(project, [second])[second]
    assert row["state"] == "done", row
    (prediction,) = annotator.predictions(project)
    return len({region["id"] for region in prediction["result"]})


@pytest.mark.parametrize("storage", ["S3", "Google", "Azure"])
@pytest.mark.parametrize("presign", [True, False], ids=["presigned", "through Label Studio"])
def test_images_in_cloud_storage_are_predicted(
    setup: Setup, annotator: Annotator, coins: dict[str, DemoImage], storage: str, *, presign: bool
) -> None:
    """Presigned, they come from the bucket itself, without any token; else Label Studio passes them on."""
    bucket = setup.buckets[storage]
    project = annotator.create_project(f"{storage} {presign}")
    tasks = bucket.sync(annotator, project, presign=presign)
    assert set(tasks) == {bucket.uri(FIRST), bucket.uri(SECOND)}

    found = predicted_things(
        setup, annotator, coins, project, tasks[bucket.uri(FIRST)], tasks[bucket.uri(SECOND)]
    )

    assert found == len(coins[TEST].masks)
    last = setup.asked_for(SECOND)[-1]
    signed = {"X-Amz-Signature", "X-Goog-Signature", "sig"} & set(parse_qs(last.query))
    assert bool(signed) is presign
    own_leave = last.headers.get("authorization", "")
    assert (own_leave == "") is presign
    assert not presign or last.headers["user-agent"] == "label-studio-oneshot"
    assert annotator.token not in own_leave
    assert storage != "Google" or presign or own_leave == f"Bearer {GOOGLE_TOKEN}"


def test_local_files_are_predicted_though_their_address_is_the_one_for_browsers(
    setup: Setup, annotator: Annotator, coins: dict[str, DemoImage]
) -> None:
    """Label Studio writes its own name before them, by which our worker does not know it."""
    project = annotator.create_project("Local files")
    folder = {"project": project, "path": str(setup.files), "use_blob_urls": True}
    tasks = synced_tasks(annotator, project, "localfiles", folder)
    first, second = (
        next(task for address, task in tasks.items() if address.endswith(name))
        for name in ("first%20one.png", "second.png")
    )
    assert all(address.startswith("http://localhost:") for address in tasks), tasks

    assert predicted_things(setup, annotator, coins, project, first, second) == len(coins[TEST].masks)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_images_on_a_web_server_are_predicted(
    setup: Setup, annotator: Annotator, coins: dict[str, DemoImage], scheme: str
) -> None:
    """The https server's certificate is of an authority that only SSL_CERT_FILE names."""
    server = setup.https if scheme == "https" else setup.http
    project = annotator.create_project(scheme)
    first, second = annotator.import_addresses(project, [f"{server.url}/{key}" for key in (FIRST, SECOND)])

    assert predicted_things(setup, annotator, coins, project, first, second) == len(coins[TEST].masks)
    assert [asked.headers.get("authorization") for asked in setup.asked_for(SECOND)] == [None]


@pytest.mark.browser
def test_the_editor_shows_the_masks_on_an_image_of_a_bucket(
    setup: Setup, annotator: Annotator, coins: dict[str, DemoImage], chromium: str, artefacts: Path
) -> None:
    bucket = setup.buckets["S3"]
    project = annotator.create_project("Photos in a bucket")
    tasks = bucket.sync(annotator, project, presign=False)
    second = tasks[bucket.uri(SECOND)]
    predicted_things(setup, annotator, coins, project, tasks[bucket.uri(FIRST)], second)

    seen = replace(setup.label_studio, url=setup.label_studio.url.replace("127.0.0.1", "localhost"))
    with logged_in(chromium, seen) as page:
        open_task(page, seen, project, second)
        page.screenshot(path=artefacts / "storage-S3.png")
        expect(page.locator(REGION_ROW)).to_have_count(len(coins[TEST].masks))


def test_a_bucket_in_the_private_network_has_to_be_named(setup: Setup, annotator: Annotator) -> None:
    bucket, label_studio = setup.buckets["S3"], setup.label_studio
    tasks = bucket.sync(annotator, annotator.create_project("A private bucket"), presign=True)
    uri = bucket.uri(SECOND)

    with LabelStudio(label_studio.url, label_studio.token) as client:
        fetcher = ImageFetcher(
            label_studio.url,
            client.authorisation,
            limits=ImageLimits(),
            timeout_s=30,
            private_hosts=PrivateHosts.parse(""),
        )
        with pytest.raises(FetchRefusedError, match="or name the host in ONESHOT_PRIVATE_HOSTS"):
            fetcher.fetch(uri, task_id=tasks[uri])
