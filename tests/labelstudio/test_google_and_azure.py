"""Images in Google's and Azure's storage, through the real Label Studio, from a server in their place.

Label Studio is started for this alone: where Google's storage is, only its environment can say.
"""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote

import pytest

from backend.demo.label_studio import (
    LabelStudioServer,
    copy_data_dir,
    migrated_data_dir,
    start_label_studio,
)
from backend.demo.processes import Processes
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.fetch import ImageFetcher
from backend.labelstudio.images import ImageLimits
from backend.labelstudio.network import PrivateHosts
from tests.annotator import Annotator, annotator_at
from tests.conftest import ARTEFACTS, LABEL_STUDIO_ENVIRONMENT
from tests.labelstudio.loopback import Answer, Asked, Loopback, json_answer, loopback

pytestmark = [pytest.mark.label_studio]

BUCKET, KEY, IMAGE = "photos", "set/a b.png", b"the bytes of an image"
MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT"
GOOGLE_TOKEN = "token-of-google"
NEW_KEY = """
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
key = generate_private_key(65537, 2048)
print(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
"""
LISTED_BY_AZURE = f"""<?xml version="1.0" encoding="utf-8"?>
<EnumerationResults ContainerName="{BUCKET}"><Prefix>set/</Prefix><Blobs><Blob><Name>{KEY}</Name><Properties>
<Last-Modified>{MODIFIED}</Last-Modified><Etag>"e"</Etag><Content-Length>{len(IMAGE)}</Content-Length>
<Content-Type>image/png</Content-Type><BlobType>BlockBlob</BlobType></Properties></Blob></Blobs>
<NextMarker/></EnumerationResults>"""


@dataclass(frozen=True)
class Cloud:
    """A Label Studio, the server that stands in for both clouds, and Google's credentials."""

    label_studio: LabelStudioServer
    server: Loopback
    credentials: str

    def fetched(self, client: LabelStudio, uri: str, task: int) -> bytes:
        """What a worker gets."""
        fetcher = ImageFetcher(
            self.label_studio.url,
            client.authorisation,
            limits=ImageLimits(),
            timeout_s=30,
            private_hosts=PrivateHosts.parse("127.0.0.1"),
        )
        return fetcher.fetch(uri, task_id=task)


@pytest.fixture(scope="module")
def cloud(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A bucket of each, with one image; who has no leave is refused."""
    template = migrated_data_dir(
        pytestconfig.cache.mkdir("label-studio"), environment=LABEL_STUDIO_ENVIRONMENT
    )
    data_dir = tmp_path_factory.mktemp("label-studio") / "data"
    copy_data_dir(template, data_dir)
    with loopback() as server, Processes(ARTEFACTS / "logs-cloud") as processes:
        server.answers |= google_answers() | azure_answers()
        label_studio = start_label_studio(
            processes,
            environment=LABEL_STUDIO_ENVIRONMENT,
            data_dir=data_dir,
            variables={
                "STORAGE_EMULATOR_HOST": server.url,
                "RESOLVER_PROXY_GCS_DOWNLOAD_URL": f"{server.url}/download/{{bucket_name}}/{{blob_name}}",
            },
        )
        yield Cloud(label_studio, server, google_credentials(server.url))


@pytest.fixture
def client(cloud: Cloud) -> Iterator[LabelStudio]:
    with LabelStudio(cloud.label_studio.url, cloud.label_studio.token) as client:
        yield client


@pytest.mark.parametrize("presign", [True, False], ids=["presigned", "through Label Studio"])
def test_an_image_in_googles_storage_is_fetched(cloud: Cloud, client: LabelStudio, *, presign: bool) -> None:
    """Presigned, it comes from the bucket itself, and without any token; else Label Studio passes it on."""
    settings = {
        "bucket": BUCKET,
        "google_application_credentials": cloud.credentials,
        "google_project_id": "p",
    }
    uri, task = synced_task(annotator_at(cloud.label_studio), client, "gcs", settings, presign=presign)
    cloud.server.asked.clear()

    assert uri == f"gs://{BUCKET}/{KEY}"
    assert cloud.fetched(client, uri, task) == IMAGE
    last = cloud.server.asked[-1]
    assert ("X-Goog-Signature" in parse_qs(last.query)) is presign
    assert last.headers.get("authorization") == (None if presign else f"Bearer {GOOGLE_TOKEN}")


def test_an_image_in_azures_storage_is_fetched(cloud: Cloud, client: LabelStudio) -> None:
    """Through Label Studio: the address that it presigns is always one of Azure's own."""
    settings = {
        "container": BUCKET,
        "account_name": f"acct;BlobEndpoint={cloud.server.url}/acct",
        "account_key": base64.b64encode(b"key").decode(),
    }
    uri, task = synced_task(annotator_at(cloud.label_studio), client, "azure", settings, presign=False)
    cloud.server.asked.clear()

    assert uri == f"azure-blob://{BUCKET}/{KEY}"
    assert cloud.fetched(client, uri, task) == IMAGE
    assert cloud.server.paths[-1] == f"/acct/{BUCKET}/{quote(KEY)}"


def synced_task(
    annotator: Annotator, client: LabelStudio, kind: str, settings: dict[str, Any], *, presign: bool
) -> tuple[str, int]:
    """A project with the storage as its source, synced: the address and the id of its one task."""
    project = annotator.create_project("Photos in a bucket")
    shared = {"prefix": "set/", "use_blob_urls": True, "presign": presign, "title": kind}
    storage = annotator.request(
        "POST", f"/api/storages/{kind}/", json={"project": project, **shared, **settings}
    )
    annotator.request("POST", f"/api/storages/{kind}/{storage['id']}/sync")
    (task,) = client.task_page(project).tasks
    return str(task.data["image"]), task.id


def google_credentials(url: str) -> str:
    """Of a service account whose tokens come from *url*, with a key that is made for the test."""
    python = LABEL_STUDIO_ENVIRONMENT / "bin" / "python"
    key = subprocess.run([python, "-c", NEW_KEY], check=True, capture_output=True, text=True).stdout
    account = {"client_email": "bot@p.example", "token_uri": f"{url}/token", "project_id": "p"}
    return json.dumps({"type": "service_account", "private_key_id": "1", "private_key": key, **account})


def google_answers() -> dict[str, Answer | Callable[[Asked], Answer]]:
    """What Google's storage answers, by path."""

    def allowed(answer: Answer) -> Callable[[Asked], Answer]:
        def check(asked: Asked) -> Answer:
            signed = "X-Goog-Signature" in asked.query
            leave = signed or asked.headers.get("authorization") == f"Bearer {GOOGLE_TOKEN}"
            return answer if leave else Answer(b"who is that", 401)

        return check

    name = quote(KEY, safe="")
    item = {"name": KEY, "bucket": BUCKET, "size": str(len(IMAGE)), "contentType": "image/png", "etag": "e"}
    image = Answer(IMAGE, headers={"Content-Type": "image/png", "ETag": "e"})
    token = {"access_token": GOOGLE_TOKEN, "expires_in": 3600, "token_type": "Bearer"}
    return {
        "/token": json_answer(token),
        f"/storage/v1/b/{BUCKET}": allowed(json_answer({"name": BUCKET, "id": BUCKET})),
        f"/storage/v1/b/{BUCKET}/o": allowed(json_answer({"items": [item]})),
        f"/storage/v1/b/{BUCKET}/o/{name}": allowed(json_answer(item)),
        f"/download/{BUCKET}/{name}": allowed(image),
        f"/{BUCKET}/{quote(KEY)}": allowed(image),
    }


def azure_answers() -> dict[str, Answer | Callable[[Asked], Answer]]:
    """What Azure's storage answers, by path."""
    about = {"Last-Modified": MODIFIED, "ETag": '"e"', "x-ms-request-id": "1", "x-ms-version": "2026-02-06"}

    def allowed(asked: Asked, answer: Answer) -> Answer:
        return answer if "SharedKey acct:" in asked.headers.get("authorization", "") else Answer(status=403)

    def container(asked: Asked) -> Answer:
        listed = Answer(LISTED_BY_AZURE.encode(), headers=about | {"Content-Type": "application/xml"})
        return allowed(asked, listed if "comp=list" in asked.query else Answer(headers=about))

    def blob(asked: Asked) -> Answer:
        kind = {"Content-Type": "image/png", "x-ms-blob-type": "BlockBlob", "Accept-Ranges": "bytes"}
        if "x-ms-range" not in asked.headers:
            return allowed(asked, Answer(IMAGE, headers=about | kind))
        part = {"Content-Range": f"bytes 0-{len(IMAGE) - 1}/{len(IMAGE)}"}
        return allowed(asked, Answer(IMAGE, 206, about | kind | part))

    return {f"/acct/{BUCKET}": container, f"/acct/{BUCKET}/{quote(KEY)}": blob}
