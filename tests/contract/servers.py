"""Servers that are not the emulator, for what only the transport sees."""

from __future__ import annotations

import datetime
import http.server
import re
import socket
import threading
from contextlib import contextmanager, suppress


class serving:  # noqa: N801  # used like a function
    """Serve a handler on a free port while the block runs."""

    def __init__(self, handler, context=None):
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self._server.server_address[1]

    def __exit__(self, *exc):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def answering(*answers):
    """
    A server that gives these bytes, one piece for each request; yields its port and the requests.

    None closes the connection instead, and a function is called with it.
    """
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            left = list(answers)
            while left:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return  # the test has ended before it asked for the rest
                with connection, suppress(ConnectionError):
                    while left:
                        request = whole_request(connection)
                        if not request:
                            break
                        seen.append(request)
                        piece = left.pop(0)
                        if piece is None:
                            break
                        if callable(piece):
                            piece(connection)
                        else:
                            connection.sendall(piece)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], seen


def whole_request(connection):
    """Return the head of a request, once its body has come as well; empty where the connection has ended."""
    with connection.makefile("rb") as stream:
        head = b"".join(iter(stream.readline, b"\r\n")) if stream.peek(1) else b""
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        stream.read(int(length[1]) if length else 0)
    return head


def answer(status, body=b"{}", **headers):
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    if "Content_Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def self_signed():
    """Return a certificate for localhost that is signed by itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()
