"""Pictures from web addresses, of the places that the server allows and no others.

A place is a prefix that names host and folder. Nothing leads out of it: no redirect is followed, no `..` in a
path, no proxy is asked. Host names are trusted to be who they are.
"""

import http.client
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Sequence
from contextlib import suppress

from qwen_vl.errors import ImageError

Fetch = Callable[[str, int, float], bytes]
"""Gets what an address holds: at most so many bytes, in so many seconds in all, however slowly they come."""


def fetcher(prefixes: Sequence[str]) -> Fetch:
    """What gets pictures from addresses that begin with one of these.

    It raises ImageError for every other address, and for what cannot be had within the bounds.
    """

    def fetch(url: str, most: int, seconds: float) -> bytes:
        if seconds <= 0:
            raise ImageError("fetching the pictures takes too long")
        if not url.startswith(tuple(prefixes)) or not _is_straight(url):
            raise ImageError("pictures of this address are not allowed on this server")
        try:
            content = _got(url, most + 1, seconds)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise ImageError(f"the picture could not be fetched ({error or type(error).__name__})") from None
        if len(content) > most:
            raise ImageError(f"the picture has more than {most:,} bytes")
        return content

    return fetch


def is_prefix(text: str) -> bool:
    """Whether a text names a scheme, a host and at least the root folder."""
    try:
        parts = urllib.parse.urlsplit(text)
        named = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return False
    return named and parts.scheme in ("http", "https") and parts.path.startswith("/") and _is_straight(text)


def _is_straight(url: str) -> bool:
    """Whether an address is plain ASCII and its path goes down only."""
    steps = urllib.parse.unquote(urllib.parse.urlsplit(url).path).replace("\\", "/").split("/")
    return url.isascii() and url.isprintable() and " " not in url and not {".", ".."} & set(steps)


def _got(url: str, most: int, seconds: float) -> bytes:
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    end = time.monotonic() + seconds
    connection = kind(parts.netloc, timeout=seconds)
    connection.connect()
    stream: socket.socket = connection.sock  # which the connection may let go of before the reply is read
    late = threading.Event()

    def give_up() -> None:
        late.set()
        with suppress(OSError):  # it has just ended
            stream.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(end - time.monotonic(), give_up)
    timer.daemon = True
    timer.start()
    try:
        path = urllib.parse.urlunsplit(("", "", parts.path, parts.query, ""))
        connection.request("GET", path, headers={"User-Agent": "qwen_vl", "Accept": "image/*"})
        reply = connection.getresponse()
        if reply.status != 200:
            raise http.client.HTTPException(f"status {reply.status}")
        content = reply.read(most)
    except (OSError, ValueError, http.client.HTTPException):
        if late.is_set():
            raise TimeoutError(f"not within {seconds:g} seconds") from None
        raise
    finally:
        timer.cancel()
        connection.close()
    if late.is_set():
        raise TimeoutError(f"not within {seconds:g} seconds")
    return content
