"""Claims about starting our own programs."""

import socket

from backend.demo.processes import free_port
from backend.demo.services import Services, port_near


def test_a_port_in_use_is_replaced_by_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert port_near(port) != port


def test_a_free_port_is_kept() -> None:
    port = free_port()

    assert port_near(port) == port


def test_web_and_worker_are_told_where_everything_is() -> None:
    services = Services("http://ls:8080", "key", "redis://r:6379/0", host="127.0.0.1", port=9091)

    environment = services.environment()

    assert environment["LABEL_STUDIO_URL"] == "http://ls:8080"
    assert environment["LABEL_STUDIO_API_KEY"] == "key"
    assert environment["REDIS_URL"] == "redis://r:6379/0"
    assert environment["ONESHOT_PORT"] == "9091"
