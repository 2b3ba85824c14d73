"""Servers whose certificate nobody knows, until SSL_CERT_FILE names its authority."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.labelstudio.client import LabelStudio
from backend.labelstudio.errors import ImageUnavailableError, UntrustedCertificateError
from backend.labelstudio.fetch import ImageFetcher
from backend.labelstudio.images import ImageLimits
from backend.labelstudio.network import PrivateHosts
from tests.authority import private_authority
from tests.labelstudio.loopback import Answer, Loopback, json_answer, loopback

TO_DO = "authority's certificate in SSL_CERT_FILE"


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    return tmp_path / "authority.pem"


@pytest.fixture
def secured(trusted: Path) -> Iterator[Loopback]:
    _, tls = private_authority(trusted.parent)
    with loopback(tls) as server:
        server.answers["/api/current-user/whoami"] = json_answer({"id": 1, "email": "ann@example.com"})
        server.answers["/image.png"] = Answer(b"an image")
        yield server


def test_a_label_studio_with_a_certificate_that_nobody_knows(
    secured: Loopback, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        LabelStudio(secured.url, "0" * 40) as client,
        pytest.raises(UntrustedCertificateError, match=TO_DO),
    ):
        client.user()
    assert not secured.asked

    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with LabelStudio(secured.url, "0" * 40) as client:
        assert client.user() == "ann@example.com"


def test_an_image_from_a_server_with_a_certificate_that_nobody_knows(
    secured: Loopback, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{secured.url}/image.png"
    with pytest.raises(ImageUnavailableError, match=TO_DO):
        _fetcher().fetch(address)

    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    assert _fetcher().fetch(address) == b"an image"


def _fetcher() -> ImageFetcher:
    return ImageFetcher(
        "http://label-studio.example",
        lambda: "Token none",
        limits=ImageLimits(),
        timeout_s=10,
        private_hosts=PrivateHosts.parse("127.0.0.1"),
    )
