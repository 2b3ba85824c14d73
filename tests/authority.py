"""A private certificate authority, and a server on 127.0.0.1 that has its certificate from it."""

import socketserver
import ssl
from pathlib import Path

import trustme


def private_authority(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """The authority's own certificate, for who is to trust it, and what its server needs."""
    authority = trustme.CA()
    trusted = folder / "authority.pem"
    authority.cert_pem.write_to_path(trusted)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    return trusted, tls


def secure(server: socketserver.TCPServer, tls: ssl.SSLContext) -> None:
    """Let *server* speak https. The handshake is for the thread that answers, not for the one that waits."""
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
