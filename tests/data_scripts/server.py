"""A local HTTP server that behaves as badly as a test asks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Served:
    """One file and how it is served.

    `cuts` are taken one per request: the connection ends after so many bytes of the body, None for none.
    `statuses` are answered first, one per request. `drop_length` sends no Content-Length. At a cut the
    connection stays open, silent, until `hold` is set.
    """

    body: bytes
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    if_range: bool = True
    kind: str = "application/octet-stream"
    cuts: list[int | None] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    drop_length: bool = False
    shift: int = 0
    hold: threading.Event | None = None
    asked: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Server:
    """Files by path; `url(path)` is where they are."""

    base: str
    files: dict[str, Served] = field(default_factory=dict)

    def put(self, path: str, body: bytes, **how: Any) -> Served:
        """Serves a file and returns it."""
        self.files[path] = Served(body, **how)
        return self.files[path]

    def url(self, path: str) -> str:
        return self.base + path


@contextmanager
def serving() -> Iterator[Server]:
    """Runs the server on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self.close_connection = True
            served = server.files.get(self.path)
            if served is None:
                return self.answer(404, b"<html>not here</html>", {"Content-Type": "text/html"})
            served.asked.append(dict(self.headers.items()))
            if served.statuses:
                status = served.statuses.pop(0)
                return self.answer(status, b"", served.headers)
            headers = {"Content-Type": served.kind, **served.headers}
            if served.etag:
                headers["ETag"] = served.etag
            if served.modified:
                headers["Last-Modified"] = served.modified
            body, status = served.body, 200
            wanted = self.headers.get("Range")
            same = self.headers.get("If-Range") in (None, served.etag, served.modified) or not served.if_range
            if wanted and served.ranges and same:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(body):
                    return self.answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
                shown = start + served.shift
                headers["Content-Range"] = f"bytes {shown}-{len(body) - 1}/{len(body)}"
                body, status = body[start:], 206
            cut = served.cuts.pop(0) if served.cuts else None
            self.answer(status, body, headers, cut, served.length, served.drop_length)
            if cut is not None and served.hold:
                self.wfile.flush()
                served.hold.wait(30)

        def answer(
            self,
            status: int,
            body: bytes,
            headers: dict[str, str],
            cut: int | None = None,
            length: int | None = None,
            drop_length: bool = False,
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if not drop_length:
                self.send_header("Content-Length", str(len(body) if length is None else length))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body[:cut])

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
