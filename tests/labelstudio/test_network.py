"""Which addresses are public, and that a name is looked up once."""

import httpcore
import pytest

from backend.labelstudio.errors import FetchRefusedError
from backend.labelstudio.network import Deadline, GuardedBackend, PrivateHosts, is_public
from tests.labelstudio.loopback import Answer, Loopback


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_on_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1",  # noqa: S104
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)  # fmt: skip
def test_private_and_reserved_addresses_are_not(address: str) -> None:
    """The last one is Teredo for 127.0.0.1; those before it map, translate or tunnel IPv4."""
    assert not is_public(address)


def test_private_hosts_are_named_by_name_address_or_network() -> None:
    hosts = PrivateHosts.parse("minio.internal, 10.1.0.7,192.168.0.0/16, fd12::/16,")

    assert hosts.has_name("MinIO.internal.")
    assert hosts.has_address("10.1.0.7")
    assert hosts.has_address("192.168.200.3")
    assert hosts.has_address("fd12::1")
    assert not hosts.has_name("other.minio.internal")
    assert not hosts.has_address("10.1.0.8")
    assert PrivateHosts.parse("") == PrivateHosts()


@pytest.mark.parametrize("text", ["http://minio", "192.168.1.1/16", "10.0.0.300", "a b", "minio:9000", "-"])
def test_other_private_hosts_are_refused(text: str) -> None:
    """192.168.1.1/16 has bits behind its 16: the network would be 192.168.0.0/16."""
    with pytest.raises(ValueError, match="expected names of hosts, addresses or networks"):
        PrivateHosts.parse(text)


def test_a_name_is_looked_up_once_and_the_checked_address_connected_to(elsewhere: Loopback) -> None:
    """A name server that answers with another address the second time is not asked a second time."""
    elsewhere.answers["/"] = Answer(b"reached")
    answers = iter([["203.0.113.9", "127.0.0.1"], ["10.0.0.1"]])
    checked: list[str] = []

    def allowed(address: str) -> bool:
        checked.append(address)
        return address == "127.0.0.1"

    backend = GuardedBackend(Deadline.after(5), allowed, resolve=lambda _host, _port: next(answers))
    with httpcore.ConnectionPool(network_backend=backend) as pool:
        reply = pool.request("GET", f"http://rebinding.example:{elsewhere.port}/")

    assert reply.content == b"reached"
    assert checked == ["203.0.113.9", "127.0.0.1"]
    assert next(answers) == ["10.0.0.1"]


def test_the_next_address_is_tried_when_one_does_not_answer(elsewhere: Loopback) -> None:
    elsewhere.answers["/"] = Answer(b"reached")
    backend = GuardedBackend(
        Deadline.after(5), lambda _: True, resolve=lambda _host, _port: ["127.0.0.2", "127.0.0.1"]
    )

    with httpcore.ConnectionPool(network_backend=backend) as pool:
        assert pool.request("GET", f"http://two.example:{elsewhere.port}/").content == b"reached"


def test_a_host_with_private_addresses_only_is_refused() -> None:
    backend = GuardedBackend(Deadline.after(5), is_public, resolve=lambda _host, _port: ["10.0.0.1", "::1"])

    with pytest.raises(FetchRefusedError, match=r"inner\.example is a private address"):
        backend.connect_tcp("inner.example", 80)


def test_after_the_deadline_nothing_is_waited_for() -> None:
    with pytest.raises(httpcore.ReadTimeout, match="whole transfer took too long"):
        Deadline.after(-1).cap(5)
