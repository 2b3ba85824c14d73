"""Connections that end at public addresses only, within a deadline.

A name is resolved once and the connection goes to the very address that was checked, so a name server that
answers differently the second time (DNS rebinding) gains nothing.
"""

import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpcore

from backend.labelstudio.errors import FetchRefusedError

_SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
Resolve = Callable[[str, int], list[str]]
_HOST_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether the numeric *address* is on the internet: not private, loopback, link-local or else reserved.

    IPv6 addresses that stand for an IPv4 address are judged by that one.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = _embedded_ipv4(ip)
        if embedded is not None:
            return is_public(str(embedded))
        if ip.is_site_local:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _embedded_ipv4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address behind a mapped, 6to4, Teredo or NAT64 one."""
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


@dataclass(frozen=True)
class PrivateHosts:
    """Servers in private networks that images may be fetched from, because a person named them.

    Attributes:
        names: of hosts, in lower case.
        networks: their numeric addresses.
    """

    names: frozenset[str] = frozenset()
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "PrivateHosts":
        """Read names, addresses and networks: ``minio.internal, 10.1.0.7, 192.168.0.0/16``.

        Raises:
            ValueError: an entry is none of them.
        """
        names, networks = set(), []
        for entry in (part.strip() for part in text.split(",")):
            try:
                networks.append(ipaddress.ip_network(entry))
            except ValueError:
                if entry and not _HOST_NAME.fullmatch(entry):
                    raise ValueError(
                        "expected names of hosts, addresses or networks like 192.168.0.0/16, separated by "
                        f"commas, got {entry[:80]!r}"
                    ) from None
                names.add(entry.lower())
        return cls(frozenset(names - {""}), tuple(networks))

    def has_name(self, host: str) -> bool:
        """Whether *host* was named."""
        return host.lower().rstrip(".") in self.names

    def has_address(self, address: str) -> bool:
        """Whether the numeric *address* was named, or lies in a network that was."""
        return any(ipaddress.ip_address(address) in network for network in self.networks)


NO_PRIVATE_HOSTS = PrivateHosts()


@dataclass(frozen=True)
class Deadline:
    """The moment, on the monotonic clock, at which a transfer must be over."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The deadline *seconds* from now."""
        return cls(time.monotonic() + seconds)

    def cap(self, timeout_s: float | None) -> float:
        """*timeout_s*, or the time that is left if that is less.

        Raises:
            httpcore.ReadTimeout: no time is left.
        """
        left = self.at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the whole transfer took too long")
        return left if timeout_s is None else min(timeout_s, left)


class GuardedBackend(httpcore.NetworkBackend):
    """Opens connections for httpcore, to those numeric addresses only for which *is_allowed*."""

    def __init__(
        self, deadline: Deadline, is_allowed: Callable[[str], bool], *, resolve: Resolve | None = None
    ) -> None:
        self._deadline = deadline
        self._is_allowed = is_allowed
        self._resolve = resolve or resolved
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of *host* that may be and answers.

        Raises:
            FetchRefusedError: there is no such host, or it has no public address.
            httpcore.ConnectError: none of its addresses answers.
        """
        failure: Exception = httpcore.ConnectError("no address")
        for address in self._addresses(host, port):
            try:
                stream = self._plain.connect_tcp(
                    address, port, self._deadline.cap(timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failure = exc
            else:
                return DeadlineStream(stream, self._deadline)
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        found = dict.fromkeys(self._resolve(host, port))
        allowed = [address for address in found if self._is_allowed(address)]
        if not allowed:
            raise FetchRefusedError(
                f"{host} is a private address, and only Label Studio's own may be private: put the image "
                "into Label Studio (upload, or a storage without pre-signed URLs), or on a public server, or "
                "name the host in ONESHOT_PRIVATE_HOSTS"
            )
        return allowed


def resolved(host: str, port: int) -> list[str]:
    """The numeric addresses of *host*.

    Raises:
        FetchRefusedError: there is no such host.
        httpcore.ConnectError: the name cannot be resolved now.
    """
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except socket.gaierror as exc:
        if exc.errno == socket.EAI_NONAME:
            raise FetchRefusedError(f"there is no host {host}") from exc
        raise httpcore.ConnectError(f"the name {host} cannot be resolved now: {exc.strerror}") from exc
    except UnicodeError as exc:
        raise FetchRefusedError(f"{host[:80]!r} is no host name") from exc


class DeadlineStream(httpcore.NetworkStream):
    """A stream whose every operation ends by the deadline, however slowly the other side drips."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As the stream's."""
        return self._stream.read(max_bytes, self._deadline.cap(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """As the stream's."""
        self._stream.write(buffer, self._deadline.cap(timeout))

    def close(self) -> None:
        """As the stream's."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """As the stream's; the result keeps the deadline."""
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.cap(timeout))
        return DeadlineStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401
        """As the stream's."""
        return self._stream.get_extra_info(info)
