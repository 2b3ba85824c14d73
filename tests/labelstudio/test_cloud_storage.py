"""Images in cloud storage, through the real Label Studio, from a server that answers as S3 does."""

from collections.abc import Callable, Iterator
from urllib.parse import parse_qs

import pytest

from backend.demo.label_studio import LabelStudioServer
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.errors import FetchRefusedError
from backend.labelstudio.fetch import ImageFetcher
from backend.labelstudio.images import ImageLimits
from backend.labelstudio.network import PrivateHosts
from tests.annotator import Annotator, annotator_at
from tests.labelstudio.loopback import Answer, Asked, Loopback

pytestmark = [pytest.mark.label_studio]

BUCKET, KEY, IMAGE = "photos", "set/a b.png", b"the bytes of an image"
ACCESS_KEY = "AKIAEXAMPLE"
LISTED = f"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{BUCKET}</Name><Prefix>set/</Prefix>
<KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents><Key>{KEY}</Key>
<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"e"</ETag><Size>{len(IMAGE)}</Size>
<StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>"""


@pytest.fixture
def s3(elsewhere: Loopback) -> Loopback:
    """A bucket with one image; what is not signed is refused."""

    def signed(answer: Answer) -> Callable[[Asked], Answer]:
        def check(asked: Asked) -> Answer:
            how = asked.headers.get("authorization", "") + asked.query
            return answer if ACCESS_KEY in how and "ignature=" in how else Answer(b"not signed", 403)

        return check

    listed = signed(Answer(LISTED.encode(), headers={"Content-Type": "application/xml"}))
    image = signed(Answer(IMAGE, headers={"Content-Type": "image/png", "ETag": '"e"'}))
    elsewhere.answers |= {f"/{BUCKET}": listed, f"/{BUCKET}/{KEY.replace(' ', '%20')}": image}
    return elsewhere


@pytest.fixture
def annotator(label_studio: LabelStudioServer) -> Annotator:
    return annotator_at(label_studio)


@pytest.fixture
def client(label_studio: LabelStudioServer) -> Iterator[LabelStudio]:
    with LabelStudio(label_studio.url, label_studio.token) as client:
        yield client


def synced_task(annotator: Annotator, s3: Loopback, *, presign: bool) -> tuple[int, int]:
    """A project with the bucket as its source storage, synced: ids of the project and of its one task."""
    project = annotator.create_project("Photos in a bucket")
    storage = annotator.request(
        "POST",
        "/api/storages/s3",
        json={
            "project": project,
            "bucket": BUCKET,
            "prefix": "set/",
            "region_name": "eu-central-1",
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": "secret",
            "s3_endpoint": s3.url,
            "use_blob_urls": True,
            "presign": presign,
            "title": "S3",
        },
    )
    annotator.request("POST", f"/api/storages/s3/{storage['id']}/sync")
    (task,) = annotator.request("GET", f"/api/tasks?project={project}&resolve_uri=false")["tasks"]
    return project, int(task["id"])


@pytest.mark.parametrize("presign", [True, False], ids=["presigned", "through Label Studio"])
def test_an_image_in_a_bucket_is_fetched(
    client: LabelStudio, label_studio: LabelStudioServer, annotator: Annotator, s3: Loopback, *, presign: bool
) -> None:
    """Presigned, it comes from the bucket itself, and without our token; else Label Studio passes it on."""
    project, task = synced_task(annotator, s3, presign=presign)
    uri = client.tasks(project, [task])[0].data["image"]
    s3.asked.clear()

    assert uri == f"s3://{BUCKET}/{KEY}"
    assert _fetcher(label_studio, client, private_hosts="127.0.0.1").fetch(uri, task_id=task) == IMAGE
    (asked,) = s3.asked
    assert ("X-Amz-Signature" in parse_qs(asked.query)) is presign
    assert label_studio.token not in asked.headers.get("authorization", "")


def test_a_bucket_in_the_private_network_has_to_be_named(
    client: LabelStudio, label_studio: LabelStudioServer, annotator: Annotator, s3: Loopback
) -> None:
    project, task = synced_task(annotator, s3, presign=True)
    uri = client.tasks(project, [task])[0].data["image"]

    with pytest.raises(FetchRefusedError, match="or name the host in ONESHOT_PRIVATE_HOSTS"):
        _fetcher(label_studio, client, private_hosts="").fetch(uri, task_id=task)


def _fetcher(server: LabelStudioServer, client: LabelStudio, *, private_hosts: str) -> ImageFetcher:
    return ImageFetcher(
        server.url,
        client.authorisation,
        limits=ImageLimits(),
        timeout_s=30,
        private_hosts=PrivateHosts.parse(private_hosts),
    )
