"""A server on this machine that can serve an archive, cut, resume, lie and refuse."""

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

PAYLOAD = np.random.RandomState(0).bytes(3_000_000)
"""Not an archive: its import is refused, after the transfer was found whole."""
MD5 = hashlib.md5(PAYLOAD).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves one body at every path, and remembers what was asked for."""

    daemon_threads = True

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = body
        self.cut_after: int | None = None
        self.falls_silent = False
        self.released = threading.Event()
        self.resumes = True
        self.tells_length = True
        self.status: int | None = None
        self.asked: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/archive.tar.gz"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as its server is told to."""

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        assert isinstance(server, Server)
        server.asked.append(wanted)
        if server.status is not None:
            self.send_error(server.status)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.resumes else 0
        if start >= len(server.body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.body) - 1}/{len(server.body)}")
        if server.tells_length:
            self.send_header("Content-Length", str(len(server.body) - start))
        self.end_headers()
        self.wfile.write(server.body[start : server.cut_after])
        if server.falls_silent:
            server.released.wait()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def serve(monkeypatch) -> Iterator[Callable[..., Server]]:
    """A function (body) -> server, which is closed with the test."""
    monkeypatch.setenv("no_proxy", "*")
    servers = []

    def start(body: bytes = PAYLOAD) -> Server:
        server = Server(body)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return server

    yield start
    for server in servers:
        server.released.set()
        server.shutdown()
        server.server_close()
