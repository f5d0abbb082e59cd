"""Pictures of web addresses: only from where the server allows, and never longer than it says."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from qwen_vl.errors import ImageError
from qwen_vl.serving.fetching import fetcher, is_prefix
from qwen_vl.session import QwenVL
from tests.qwen_vl.serving.running import chat, data_url, picture, said, serving


class Site(BaseHTTPRequestHandler):
    """Pictures, a redirect to a secret, and what never ends."""

    def do_GET(self) -> None:
        """By the path."""
        if self.path == "/pictures/a.png":
            self._send(200, picture())
        elif self.path == "/pictures/elsewhere":
            self._send(302, b"", ("Location", "/secrets"))
        elif self.path == "/pictures/drops":
            self.send_response(200)
            self.end_headers()
            for _ in range(1000):
                if self.server.ended.wait(0.05):  # type: ignore[attr-defined]
                    return
                self.wfile.write(b"x")
            self.server.ended.set()  # type: ignore[attr-defined]
        elif self.path == "/pictures/no-http":
            self.wfile.write(b"\x00\x01\x02\r\n\r\n")
        else:
            self._send(200, b"a secret")

    def _send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for header in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Server(ThreadingHTTPServer):
    """A site; what drops ends with `ended`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Site)
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    """A site that runs."""
    made = Server()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.ended.set()
    made.shutdown()
    made.server_close()


@pytest.fixture
def site(server: Server) -> str:
    """Its address."""
    return server.url


def test_only_allowed_addresses_are_fetched(site: str) -> None:
    """A prefix that is not checked to the end lets clients read what only the server can reach."""
    fetch = fetcher([f"{site}/pictures/"])
    assert fetch(f"{site}/pictures/a.png", 10_000, 10) == picture()
    for url in (
        f"{site}/secrets",
        f"{site}/pictures/../secrets",
        f"{site}/pictures/%2e%2e/secrets",
        f"{site}/pictures/..%5Csecrets",
        f"{site}/pictures/a b.png",
        f"{site}/pictures/a\r\nHost: other",
        f"{site}/pictures/ä.png",
        site.replace("127.0.0.1", "user@127.0.0.1") + "/pictures/a.png",
        "file:///etc/passwd",
    ):
        with pytest.raises(ImageError, match="not allowed on this server"):
            fetch(url, 10_000, 10)


def test_what_cannot_be_had_is_said(site: str) -> None:
    """A redirect led out of what is allowed; a reply that is no HTTP was an error inside the server."""
    fetch = fetcher([f"{site}/pictures/", "http://127.0.0.1:9/"])
    for url, reason in (
        (f"{site}/pictures/elsewhere", "status 302"),
        (f"{site}/pictures/no-http", "could not be fetched"),
        ("http://127.0.0.1:9/a.png", "could not be fetched"),
    ):
        with pytest.raises(ImageError, match=reason):
            fetch(url, 10_000, 10)
    with pytest.raises(ImageError, match="more than 100 bytes"):
        fetch(f"{site}/pictures/a.png", 100, 10)
    with pytest.raises(ImageError, match="too long"):
        fetch(f"{site}/pictures/a.png", 100, 0)


def test_drop_by_drop_is_given_up(server: Server) -> None:
    """Each byte came in time, and the picture took a minute."""
    with pytest.raises(ImageError, match=r"not within 0\.5 seconds"):
        fetcher([f"{server.url}/pictures/"])(f"{server.url}/pictures/drops", 10_000, 0.5)
    assert not server.ended.is_set(), "it was waited for"


def test_prefixes() -> None:
    """What names no folder of a host would allow more than it says."""
    assert is_prefix("https://images.example.org/")
    assert is_prefix("http://127.0.0.1:8080/pictures/")
    for text in (
        "images.example.org/",
        "https://images.example.org",
        "https:///pictures/",
        "https://images.example.org?/a/b",
        "https://user@images.example.org/",
        "https://images.example.org/a/../",
        "ftp://images.example.org/",
        "https://images.example.org:port/",
    ):
        assert not is_prefix(text), text


def test_pictures_that_are_fetched_hold_nobody_up(session: QwenVL, server: Server) -> None:
    """Clients whose pictures never came took all places in which pictures are decoded."""
    site = server.url
    with serving(session, fetch=fetcher([f"{site}/pictures/"])) as running:
        same = {"url": data_url(picture())}, {"url": f"{site}/pictures/a.png"}
        texts = [said(running.post("/v1/chat/completions", chat(one, "x?"))) for one in same]
        assert texts[0] == texts[1]
        slow = chat({"url": f"{site}/pictures/drops"}, "x?")
        threads = [
            threading.Thread(target=running.post, args=("/v1/chat/completions", slow)) for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        assert said(running.post("/v1/chat/completions", chat(same[0], "x?"))) == texts[0]
        assert all(thread.is_alive() for thread in threads), "the slow ones ended: nothing was shown"
        server.ended.set()
        for thread in threads:
            thread.join()
