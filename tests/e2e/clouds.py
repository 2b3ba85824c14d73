"""Servers that answer as S3, Google's and Azure's storage do, for the real Label Studio to read from.

Whoever brings no leave is refused: what arrives was signed, or carries the storage's own token.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.annotator import Annotator
from tests.labelstudio.loopback import Answer, Asked, Loopback, json_answer

Answers = dict[str, Answer | Callable[[Asked], Answer]]
Objects = Mapping[str, bytes]
PREFIX = "set/"
ACCESS_KEY = "AKIAEXAMPLE"
GOOGLE_TOKEN = "token-of-google"
_ATTEMPTS = 10
_HTTP_DATE, _ISO_DATE = "Thu, 01 Jan 2026 00:00:00 GMT", "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class Bucket:
    """One storage that a server stands in for.

    Attributes:
        kind: what Label Studio's API calls it.
        scheme: how the addresses of its objects begin.
        name: the bucket's, or container's.
        settings: what Label Studio has to know of it.
    """

    kind: str
    scheme: str
    name: str
    settings: Mapping[str, Any]

    def uri(self, key: str) -> str:
        """The address of an object as tasks have it."""
        return f"{self.scheme}://{self.name}/{key}"

    def sync(self, annotator: Annotator, project: int, *, presign: bool) -> dict[str, int]:
        """Make it the source of *project*, and sync: the tasks' ids by the addresses of their images."""
        shared = {"project": project, "prefix": PREFIX, "use_blob_urls": True, "title": self.kind}
        settings = {**shared, "presign": presign, **self.settings}
        return synced_tasks(annotator, project, self.kind, settings)


def synced_tasks(
    annotator: Annotator, project: int, kind: str, settings: Mapping[str, Any]
) -> dict[str, int]:
    """Add a storage to a project, and sync: the tasks' ids by the addresses of their images.

    Label Studio's SQLite may be locked by somebody else's change: then it breaks off, and can be asked again.
    """
    storage = annotator.request("POST", f"/api/storages/{kind}/", json=settings)
    for _ in range(_ATTEMPTS):
        synced = annotator.request("POST", f"/api/storages/{kind}/{storage['id']}/sync")
        if synced["status"] == "completed":
            break
    assert synced["status"] == "completed", synced
    tasks = annotator.request("GET", f"/api/tasks?project={project}&resolve_uri=false")["tasks"]
    return {task["data"]["image"]: int(task["id"]) for task in tasks}


def s3_bucket(server: Loopback, objects: Objects) -> Bucket:
    """A bucket at *server* with *objects* by their keys."""
    name = "photos-s3"
    listed = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>{_ISO_DATE}</LastModified><ETag>&quot;e&quot;</ETag>"
        f"<Size>{len(data)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key, data in objects.items()
    )
    listing = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{name}</Name>'
        f"<Prefix>{PREFIX}</Prefix><KeyCount>{len(objects)}</KeyCount><MaxKeys>1000</MaxKeys>"
        f"<IsTruncated>false</IsTruncated>{listed}</ListBucketResult>"
    )
    server.answers[f"/{name}"] = _signed_for_s3(
        Answer(listing.encode(), headers={"Content-Type": "application/xml"})
    )
    for key, data in objects.items():
        image = Answer(data, headers={"Content-Type": "image/png", "ETag": '"e"'})
        server.answers[f"/{name}/{quote(key)}"] = _signed_for_s3(image)
    settings = {
        "bucket": name,
        "region_name": "eu-central-1",
        "aws_access_key_id": ACCESS_KEY,
        "aws_secret_access_key": "secret",
        "s3_endpoint": server.url,
    }
    return Bucket("s3", "s3", name, settings)


def _signed_for_s3(answer: Answer) -> Callable[[Asked], Answer]:
    def check(asked: Asked) -> Answer:
        how = asked.headers.get("authorization", "") + asked.query
        return answer if ACCESS_KEY in how and "ignature=" in how else Answer(b"not signed", 403)

    return check


def google_environment(server: Loopback) -> dict[str, str]:
    """What a Label Studio has to be started with that is to take *server* for Google's storage."""
    return {
        "STORAGE_EMULATOR_HOST": server.url,
        "RESOLVER_PROXY_GCS_DOWNLOAD_URL": f"{server.url}/download/{{bucket_name}}/{{blob_name}}",
    }


def google_bucket(server: Loopback, objects: Objects) -> Bucket:
    """A bucket at *server* with *objects* by their keys, and a service account that may read it."""
    name = "photos-gs"
    token = {"access_token": GOOGLE_TOKEN, "expires_in": 3600, "token_type": "Bearer"}
    items = {
        key: {"name": key, "bucket": name, "size": str(len(data)), "contentType": "image/png", "etag": "e"}
        for key, data in objects.items()
    }
    server.answers |= {
        "/token": json_answer(token),
        f"/storage/v1/b/{name}": _allowed_by_google(json_answer({"name": name, "id": name})),
        f"/storage/v1/b/{name}/o": _allowed_by_google(json_answer({"items": list(items.values())})),
    }
    for key, data in objects.items():
        image = _allowed_by_google(Answer(data, headers={"Content-Type": "image/png", "ETag": "e"}))
        server.answers |= {
            f"/storage/v1/b/{name}/o/{quote(key, safe='')}": _allowed_by_google(json_answer(items[key])),
            f"/download/{name}/{quote(key, safe='')}": image,
            f"/{name}/{quote(key)}": image,
        }
    settings = {
        "bucket": name,
        "google_application_credentials": _service_account(server.url),
        "google_project_id": "p",
    }
    return Bucket("gcs", "gs", name, settings)


def _allowed_by_google(answer: Answer) -> Callable[[Asked], Answer]:
    def check(asked: Asked) -> Answer:
        leave = asked.headers.get("authorization") == f"Bearer {GOOGLE_TOKEN}"
        return answer if leave or "X-Goog-Signature" in asked.query else Answer(b"who is that", 401)

    return check


def _service_account(url: str) -> str:
    """Credentials whose tokens come from *url*, with a key that is made for the test."""
    key = generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {"client_email": "bot@p.example", "token_uri": f"{url}/token", "project_id": "p"}
    return json.dumps({"type": "service_account", "private_key_id": "1", "private_key": pem, **account})


def azure_bucket(server: Loopback, objects: Objects, *, presigned: Loopback | None = None) -> Bucket:
    """A container at *server* with *objects* by their keys.

    The addresses that Label Studio presigns are always ``https://ACCOUNT.blob.core.windows.net/…``. So that
    they lead to *presigned*, which speaks https, the account is called as if its host were a folder there.
    """
    name = "photos-azure"
    host = f"127.0.0.1:{presigned.port}/" if presigned else ""
    account = f"{host}acct;BlobEndpoint={server.url}/acct"
    blobs = "".join(
        f"<Blob><Name>{escape(key)}</Name><Properties><Last-Modified>{_HTTP_DATE}</Last-Modified>"
        f"<Etag>e</Etag><Content-Length>{len(data)}</Content-Length><Content-Type>image/png</Content-Type>"
        "<BlobType>BlockBlob</BlobType></Properties></Blob>"
        for key, data in objects.items()
    )
    listing = (
        f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{name}">'
        f"<Prefix>{PREFIX}</Prefix><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>"
    )
    server.answers[f"/acct/{name}"] = _azure_container(listing)
    for key, data in objects.items():
        server.answers[f"/acct/{name}/{quote(key)}"] = _azure_blob(data)
        if presigned:
            path = (
                f"/{quote(account.removeprefix(host), safe='/;=:')}.blob.core.windows.net/{name}/{quote(key)}"
            )
            presigned.answers[path] = _azure_signed(Answer(data, headers={"Content-Type": "image/png"}))
    settings = {"container": name, "account_name": account, "account_key": base64.b64encode(b"key").decode()}
    return Bucket("azure", "azure-blob", name, settings)


_AZURE_SAYS = {
    "Last-Modified": _HTTP_DATE,
    "ETag": '"e"',
    "x-ms-request-id": "1",
    "x-ms-version": "2026-02-06",
}


def _azure_container(listing: str) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        xml = {"Content-Type": "application/xml"}
        listed = Answer(listing.encode(), headers=_AZURE_SAYS | xml)
        return _keyed(asked, listed if "comp=list" in asked.query else Answer(headers=_AZURE_SAYS))

    return answer


def _azure_blob(data: bytes) -> Callable[[Asked], Answer]:
    kind = {"Content-Type": "image/png", "x-ms-blob-type": "BlockBlob", "Accept-Ranges": "bytes"}

    def answer(asked: Asked) -> Answer:
        asked_range = asked.headers.get("x-ms-range", "")
        if not asked_range:
            return _keyed(asked, Answer(data, headers=_AZURE_SAYS | kind))
        first, _, last = asked_range.removeprefix("bytes=").partition("-")
        part = data[int(first) : int(last) + 1]
        told = {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"}
        return _keyed(asked, Answer(part, 206, _AZURE_SAYS | kind | told))

    return answer


def _keyed(asked: Asked, answer: Answer) -> Answer:
    return answer if "SharedKey " in asked.headers.get("authorization", "") else Answer(status=403)


def _azure_signed(answer: Answer) -> Callable[[Asked], Answer]:
    return lambda asked: answer if "sig=" in asked.query and "sp=r" in asked.query else Answer(status=403)
