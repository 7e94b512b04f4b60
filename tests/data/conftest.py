"""For the tests of downloads: a web server of this machine that fails as told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest


class FileServer:
    """Serves `files` by name; remembers what was asked for.

    `broken` names files whose connection breaks off halfway, with how often that happens still.
    `errors` names files that are answered with a status, with how often that happens still.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.ranges = True
        self.broken: dict[str, int] = {}
        self.errors: dict[str, list[int]] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.base = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.rpartition("/")[2]
        wanted = handler.headers.get("Range")
        self.requests.append((name, wanted))
        if self.errors.get(name):
            handler.send_error(self.errors[name].pop(0))
            return
        if name not in self.files:
            handler.send_error(404)
            return
        data = self.files[name]
        start = 0
        if wanted and self.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                handler.send_error(416)
                return
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        body = data[start:]
        if self.broken.get(name, 0) > 0:
            self.broken[name] -= 1
            body = body[: len(body) // 2]
        handler.wfile.write(body)


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[FileServer]:
    served = FileServer(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    served.base = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def serve(monkeypatch):
    """Return a function that starts a server for some files; all stop with the test."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ExitStack() as stack:
        yield lambda files: stack.enter_context(serving(files))
