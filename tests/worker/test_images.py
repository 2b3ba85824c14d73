"""The fetcher that the settings ask for."""

import pytest

from backend.labelstudio.errors import FetchRefusedError
from backend.settings import Settings
from backend.worker.errors import WorkerStartError
from backend.worker.images import image_fetcher, image_limits
from tests.labelstudio.loopback import Answer, loopback


def test_a_private_server_is_fetched_from_when_the_setting_names_it() -> None:
    with loopback() as server:
        server.answers["/a.png"] = Answer(b"an image")
        named = image_fetcher(Settings(oneshot_private_hosts="127.0.0.0/8"), lambda: "Token t")
        not_named = image_fetcher(Settings(), lambda: "Token t")

        assert named.fetch(f"{server.url}/a.png") == b"an image"
        with pytest.raises(FetchRefusedError, match="private address"):
            not_named.fetch(f"{server.url}/a.png")


def test_label_studios_name_for_browsers_is_what_a_setting_says_or_else_what_it_told() -> None:
    with loopback() as server:
        server.answers["/a.png"] = Answer(b"an image")
        url, told = server.url, "http://told.invalid"
        by_setting = Settings(label_studio_url=url, label_studio_public_url="http://set.invalid")
        fetchers = [
            image_fetcher(by_setting, lambda: "Token t", lambda: told),
            image_fetcher(Settings(label_studio_url=url), lambda: "Token t", lambda: told),
        ]

        assert fetchers[0].fetch("http://set.invalid/a.png") == b"an image"
        assert fetchers[1].fetch("http://told.invalid/a.png") == b"an image"
        with pytest.raises(FetchRefusedError, match="there is no host"):
            fetchers[0].fetch("http://told.invalid/a.png")


def test_private_hosts_that_cannot_be_understood_are_told_at_the_start() -> None:
    with pytest.raises(
        WorkerStartError, match=r"ONESHOT_PRIVATE_HOSTS: expected names .* got 'http://minio'"
    ):
        image_fetcher(Settings(oneshot_private_hosts="http://minio"), lambda: "Token t")


def test_the_limits_are_those_of_the_settings() -> None:
    limits = image_limits(Settings(oneshot_max_image_bytes=4096, oneshot_max_image_side=100))

    assert (limits.max_bytes, limits.max_side) == (4096, 100)


@pytest.mark.parametrize(("max_tiles", "enough_side"), [(1, 2458), (9, 2458), (16, 3277), (64, 6554)])
def test_jpegs_keep_the_pixels_that_the_finest_tiles_show(max_tiles: int, enough_side: int) -> None:
    """Three tiles along a side overlap by a quarter: 1024 pixels each of 1024 * 3 / 1.25; never fewer."""
    assert image_limits(Settings(oneshot_max_tiles=max_tiles)).enough_side == enough_side
