"""The guarded fetcher, between two servers on the loopback interface: Label Studio's, and another one."""

import base64
import time
from collections.abc import Callable

import pytest

from backend.labelstudio.errors import (
    FetchRefusedError,
    ImageUnavailableError,
    LabelStudioError,
    LabelStudioUnavailableError,
    StorageFailedError,
    TokenRefusedError,
)
from backend.labelstudio.fetch import ImageFetcher
from backend.labelstudio.images import ImageLimits
from backend.labelstudio.network import PrivateHosts, is_public
from tests.labelstudio.loopback import Answer, Loopback, json_answer, redirect

IMAGE = b"the bytes of an image"
TOKEN = "Token secret-token"


def _fetcher(
    url: str,
    *,
    public: Callable[[str], bool] = is_public,
    timeout_s: float = 5,
    max_bytes: int = 1000,
    private_hosts: str = "",
    known_as: str = "",
) -> ImageFetcher:
    return ImageFetcher(
        url,
        lambda: TOKEN,
        limits=ImageLimits(max_bytes=max_bytes),
        timeout_s=timeout_s,
        private_hosts=PrivateHosts.parse(private_hosts),
        is_public=public,
        known_as=lambda: known_as,
    )


def _anywhere(_: str) -> bool:
    """Lets the other loopback server stand for one on the internet."""
    return True


def test_an_upload_is_fetched_with_the_token(label_studio_double: Loopback) -> None:
    label_studio_double.answers["/data/upload/1/a b.png"] = Answer(b"wrong")
    label_studio_double.answers["/data/upload/1/a%20b.png"] = Answer(IMAGE)

    assert _fetcher(label_studio_double.url).fetch("/data/upload/1/a%20b.png") == IMAGE
    assert label_studio_double.asked[0].headers["authorization"] == TOKEN


def test_a_local_file_is_asked_for_as_it_is_written(label_studio_double: Loopback) -> None:
    label_studio_double.answers["/data/local-files/"] = Answer(IMAGE)

    assert _fetcher(label_studio_double.url).fetch("/data/local-files/?d=ds/b%20c.png") == IMAGE
    assert label_studio_double.asked[0].query == "d=ds/b%20c.png"


@pytest.mark.parametrize("path", ["/data/upload/1/a.png", "/studio/data/upload/1/a.png"])
def test_label_studio_may_live_below_a_path(label_studio_double: Loopback, path: str) -> None:
    label_studio_double.answers["/studio/data/upload/1/a.png"] = Answer(IMAGE)

    assert _fetcher(label_studio_double.url + "/studio/").fetch(path) == IMAGE


def test_an_address_on_label_studio_itself_is_fetched_with_the_token(label_studio_double: Loopback) -> None:
    label_studio_double.answers["/x.png"] = Answer(IMAGE)

    assert _fetcher(label_studio_double.url).fetch(f"{label_studio_double.url}/x.png") == IMAGE
    assert label_studio_double.asked[0].headers["authorization"] == TOKEN


@pytest.mark.parametrize("path", ["", "/studio"])
def test_an_address_by_which_browsers_know_label_studio_is_asked_of_label_studio(
    label_studio_double: Loopback, path: str
) -> None:
    """It writes local files so into tasks. The name itself, which only browsers can resolve, is not asked."""
    label_studio_double.answers["/data/local-files/"] = Answer(IMAGE)
    fetcher = _fetcher(label_studio_double.url, known_as=f"https://studio.invalid{path}/")

    assert fetcher.fetch(f"https://STUDIO.invalid:443{path}/data/local-files/?d=ds/b%20c.png") == IMAGE
    assert label_studio_double.asked[0].query == "d=ds/b%20c.png"
    assert label_studio_double.asked[0].headers["authorization"] == TOKEN


@pytest.mark.parametrize("known_as", ["http://127.0.0.1:1", "https://127.0.0.1:{port}", "{url}/studio"])
def test_what_only_looks_like_that_address_is_another_server(elsewhere: Loopback, known_as: str) -> None:
    elsewhere.answers["/studios/x.png"] = Answer(IMAGE)
    known = known_as.format(url=elsewhere.url, port=elsewhere.port)

    fetcher = _fetcher("http://127.0.0.1:1", public=_anywhere, known_as=known)

    assert fetcher.fetch(f"{elsewhere.url}/studios/x.png") == IMAGE
    assert "authorization" not in elsewhere.asked[0].headers


def test_another_server_is_not_given_the_token(label_studio_double: Loopback, elsewhere: Loopback) -> None:
    elsewhere.answers["/x.png"] = Answer(IMAGE)

    assert _fetcher(label_studio_double.url, public=_anywhere).fetch(f"{elsewhere.url}/x.png") == IMAGE
    assert "authorization" not in elsewhere.asked[0].headers


def test_the_same_host_with_another_port_is_another_origin(label_studio_double: Loopback) -> None:
    fetcher = _fetcher("http://127.0.0.1:1", public=_anywhere)
    label_studio_double.answers["/x.png"] = Answer(IMAGE)

    fetcher.fetch(f"{label_studio_double.url}/x.png")

    assert "authorization" not in label_studio_double.asked[0].headers


def test_credentials_in_an_address_go_to_its_server_and_into_no_message(elsewhere: Loopback) -> None:
    address = elsewhere.url.replace("//", "//ann:pass%3Aword@") + "/x.png?signature=hidden#part"

    with pytest.raises(FetchRefusedError) as caught:
        _fetcher("http://127.0.0.1:1", public=_anywhere).fetch(address)

    expected = "Basic " + base64.b64encode(b"ann:pass:word").decode()
    assert elsewhere.asked[0].headers["authorization"] == expected
    assert str(caught.value).endswith(f"{elsewhere.url}/x.png?…")


def test_a_redirect_elsewhere_does_not_take_the_token_along(
    label_studio_double: Loopback, elsewhere: Loopback
) -> None:
    label_studio_double.answers["/data/x.png"] = redirect(f"{elsewhere.url}/x.png?signature=1")
    elsewhere.answers["/x.png"] = Answer(IMAGE)

    assert _fetcher(label_studio_double.url, public=_anywhere).fetch("/data/x.png") == IMAGE
    assert label_studio_double.asked[0].headers["authorization"] == TOKEN
    assert "authorization" not in elsewhere.asked[0].headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_label_studio_may_not_redirect_to_a_private_address(
    label_studio_double: Loopback, elsewhere: Loopback, status: int
) -> None:
    label_studio_double.answers["/data/x.png"] = redirect(f"{elsewhere.url}/x.png", status)

    with pytest.raises(FetchRefusedError, match=r"127\.0\.0\.1 is a private address"):
        _fetcher(label_studio_double.url).fetch("/data/x.png")

    assert elsewhere.asked == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "0.0.0.0", "[::]"],  # noqa: S104
)
def test_private_addresses_are_refused_however_they_are_written(elsewhere: Loopback, host: str) -> None:
    with pytest.raises(FetchRefusedError, match="is a private address"):
        _fetcher("http://127.0.0.1:1").fetch(f"http://{host}:{elsewhere.port}/x.png")

    assert elsewhere.asked == []


@pytest.mark.parametrize("private_hosts", ["localhost", "127.0.0.1, ::1", "127.0.0.0/8"])
def test_a_private_server_that_was_named_is_fetched_from_without_the_token(
    elsewhere: Loopback, private_hosts: str
) -> None:
    elsewhere.answers["/x.png"] = Answer(IMAGE)
    fetcher = _fetcher("http://127.0.0.1:1", private_hosts=private_hosts)

    assert fetcher.fetch(f"http://localhost:{elsewhere.port}/x.png") == IMAGE
    assert "authorization" not in elsewhere.asked[0].headers


def test_a_named_server_may_not_redirect_to_one_that_was_not(elsewhere: Loopback) -> None:
    elsewhere.answers["/x.png"] = redirect(f"http://127.0.0.1:{elsewhere.port}/y.png")

    with pytest.raises(FetchRefusedError, match=r"127\.0\.0\.1 is a private address"):
        _fetcher("http://127.0.0.1:1", private_hosts="localhost").fetch(
            f"http://localhost:{elsewhere.port}/x.png"
        )


def test_redirects_within_label_studio_are_followed_but_not_for_ever(label_studio_double: Loopback) -> None:
    label_studio_double.answers["/data/a.png"] = redirect("b.png")
    label_studio_double.answers["/data/b.png"] = Answer(IMAGE)
    label_studio_double.answers["/data/loop.png"] = redirect("/data/loop.png")
    fetcher = _fetcher(label_studio_double.url)

    assert fetcher.fetch("/data/a.png") == IMAGE
    with pytest.raises(FetchRefusedError, match="at most 5 redirects"):
        fetcher.fetch("/data/loop.png")


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://a:b:c/", "javascript:1"]
)
def test_redirects_to_other_schemes_are_refused(label_studio_double: Loopback, location: str) -> None:
    label_studio_double.answers["/data/a.png"] = redirect(location)

    with pytest.raises(FetchRefusedError, match="address"):
        _fetcher(label_studio_double.url).fetch("/data/a.png")


@pytest.mark.parametrize("uri", ["s3://bucket/ü.png", "gs://bucket/a b.png", "azure-blob://container/a.png"])
def test_cloud_storage_comes_through_label_studios_presign(label_studio_double: Loopback, uri: str) -> None:
    label_studio_double.answers["/tasks/7/presign/"] = Answer(IMAGE)

    assert _fetcher(label_studio_double.url).fetch(uri, task_id=7) == IMAGE
    query = label_studio_double.asked[0].query
    assert base64.urlsafe_b64decode(query.removeprefix("fileuri=")) == uri.encode()


@pytest.mark.parametrize(
    ("uri", "data"),
    [
        ("data:image/png;base64," + base64.b64encode(IMAGE).decode(), IMAGE),
        ("DATA:image/png;BASE64,aGk%3D", b"hi"),
        ("data:image/svg+xml,%3Csvg/%3E", b"<svg/>"),
        ("data:,", b""),
    ],
)
def test_data_uris_hold_the_bytes_themselves(uri: str, data: bytes) -> None:
    assert _fetcher("http://127.0.0.1:1").fetch(uri) == data


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("data:image/png;base64", "without a comma"),
        ("data:image/png;base64,A", "base64"),
        ("data:;base64," + "A" * 2000, "at most 1000 bytes, got a data URI of 1500"),
        ("data:," + "A" * 3001, "got a data URI of 3001 characters"),
        ("", "expected the address of an image"),
        ("images/1.png", "got 'images/1.png'"),
        ("//host/1.png", "got '//host/1.png'"),
        ("file:///etc/passwd", "got 'file://…'"),
        ("ftp://ann:secret@host/1.png", "got 'ftp://…'"),
        ("http://ann:secret@host:port/1.png", "cannot be understood"),
        ("http:///1.png", "without a host"),
        ("http://nowhere.invalid/1.png", "no host nowhere.invalid|cannot be resolved"),
        ("http://" + "a" * 70 + ".invalid/1.png", "is no host name|no host|cannot be"),
        ("s3://bucket/1.png", "got no task id"),
    ],
)  # fmt: skip
def test_what_cannot_be_fetched_is_refused(uri: str, message: str) -> None:
    with pytest.raises(LabelStudioError, match=message) as caught:
        _fetcher("http://127.0.0.1:1").fetch(uri)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (Answer(status=404), FetchRefusedError, "the image is gone, got HTTP status 404"),
        (Answer(status=401), TokenRefusedError, "check LABEL_STUDIO_API_KEY"),
        (Answer(status=403), FetchRefusedError, "does not let the user of the API key have"),
        (Answer(status=416), FetchRefusedError, "HTTP status 416"),
        (Answer(status=206, body=b"part"), FetchRefusedError, "HTTP status 206"),
        (Answer(status=302), FetchRefusedError, "HTTP status 302"),
        (Answer(status=503), LabelStudioUnavailableError, "HTTP status 503"),
        (Answer(status=424), StorageFailedError, "its storage does not give it the image"),
        (
            json_answer({"detail": "'NoneType' object has no attribute 'has_permission'"}, 500),
            FetchRefusedError,
            "the image is gone: Label Studio has no upload",
        ),
        (json_answer({"detail": "database is locked"}, 500), LabelStudioUnavailableError, "HTTP status 500"),
        (Answer(b"x" * 1001), FetchRefusedError, "at most 1000 bytes, got 1001 at"),
        (Answer(b"x", headers={"Content-Encoding": "gzip"}), FetchRefusedError, "sends it compressed"),
        (Answer(b"x" * 10, declared_length=20), LabelStudioUnavailableError, "cannot be read"),
        (Answer(reset=True), LabelStudioUnavailableError, "cannot be read"),
    ],
)  # fmt: skip
def test_label_studios_bad_answers_are_told_apart(
    label_studio_double: Loopback, answer: Answer, error: type[Exception], message: str
) -> None:
    label_studio_double.answers["/data/x.png"] = answer

    with pytest.raises(error, match=message):
        _fetcher(label_studio_double.url).fetch("/data/x.png")


LOCAL_FILES_OFF = "Serving local files can be dangerous. \n Enable it with LOCAL_FILES_SERVING_ENABLED."


def _forbidden(label_studio: Loopback, path: str, answer: Answer) -> str:
    """What is told of an image for which Label Studio answers 403."""
    label_studio.answers[path] = answer
    with pytest.raises(FetchRefusedError) as caught:
        _fetcher(label_studio.url).fetch(f"{path}?d=a.png")
    return str(caught.value)


@pytest.mark.parametrize("prefix", ["", "/studio"])
def test_a_local_file_that_is_not_served_is_told_with_the_settings_that_serve_it(
    label_studio_double: Loopback, prefix: str
) -> None:
    """The API key is right, and nothing is said of it; Django calls this plain text a web page."""
    answer = Answer(LOCAL_FILES_OFF.encode(), 403, {"Content-Type": "text/html; charset=utf-8"})

    told = _forbidden(label_studio_double, f"{prefix}/data/local-files/", answer)

    assert "says: Serving local files can be dangerous. Enable it with LOCAL_FILES_SERVING_ENABLED" in told
    assert "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED" in told
    assert "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT" in told
    assert "local storage" in told
    assert "LABEL_STUDIO_API_KEY" not in told


def test_a_forbidden_upload_is_told_without_the_settings_of_local_files(
    label_studio_double: Loopback,
) -> None:
    """The API key is not repeated, even if Label Studio does."""
    told = _forbidden(label_studio_double, "/data/upload/1/x.png", json_answer({"detail": "not yours"}, 403))
    silent = _forbidden(label_studio_double, "/data/upload/1/x.png", Answer(b"no secret-token", 403))

    assert told.endswith("/data/upload/1/x.png?… (HTTP status 403); it says: not yours")
    assert silent.endswith("/data/upload/1/x.png?… (HTTP status 403)")


def test_another_servers_failure_is_not_label_studios(elsewhere: Loopback) -> None:
    elsewhere.answers["/x.png"] = Answer(status=429, headers={"Retry-After": "7"})

    with pytest.raises(ImageUnavailableError) as caught:
        _fetcher("http://127.0.0.1:1", public=_anywhere).fetch(f"{elsewhere.url}/x.png")

    assert caught.value.retry_after_s == 7


def test_the_cap_holds_for_bytes_that_were_not_announced(label_studio_double: Loopback) -> None:
    label_studio_double.answers["/data/x.png"] = Answer(b"x" * 5000, declared_length=-1)

    with pytest.raises(FetchRefusedError, match="at most 1000 bytes, got more at"):
        _fetcher(label_studio_double.url).fetch("/data/x.png")


def test_a_server_that_hangs_is_given_up_after_the_timeout(label_studio_double: Loopback) -> None:
    label_studio_double.answers["/data/x.png"] = Answer(IMAGE, pause_s=5)
    started = time.monotonic()

    with pytest.raises(LabelStudioUnavailableError, match="takes too long"):
        _fetcher(label_studio_double.url, timeout_s=0.2).fetch("/data/x.png")

    assert time.monotonic() - started < 2


def test_a_server_that_drips_is_given_up_at_the_deadline(label_studio_double: Loopback) -> None:
    """Each piece is in time, the whole is not: four times the timeout is the most."""
    label_studio_double.answers["/data/x.png"] = Answer(b"x" * 100, pieces=100, pause_s=0.1)
    started = time.monotonic()

    with pytest.raises(LabelStudioUnavailableError, match="takes too long"):
        _fetcher(label_studio_double.url, timeout_s=0.2).fetch("/data/x.png")

    assert time.monotonic() - started < 2


def test_nobody_listening_is_a_passing_failure() -> None:
    with pytest.raises(LabelStudioUnavailableError, match="cannot be read"):
        _fetcher("http://127.0.0.1:1").fetch("/data/x.png")
