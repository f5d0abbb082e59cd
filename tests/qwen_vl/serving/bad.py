"""Requests that cannot be answered, each with what its reply must say."""

import io
import struct
import zlib
from typing import Any

from PIL import Image

from tests.qwen_vl.serving.running import chat, data_url, picture


def bomb() -> bytes:
    """A PNG of 200 bytes that says it is 50,000 x 50,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 10_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def noise() -> bytes:
    """A picture of more bytes than the server takes."""
    written = io.BytesIO()
    Image.effect_noise((480, 480), 90).convert("RGB").save(written, "PNG")
    return written.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
ONE = {"url": data_url(picture())}
BAD: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{", "Invalid JSON"),
    "a list": ([], "object"),
    "no messages": ({"model": "demo"}, "messages: Field required"),
    "empty messages": ({"model": "demo", "messages": []}, "messages"),
    "no content": ({"model": "demo", "messages": [{"role": "user"}]}, "content: Field required"),
    "unknown role": ({"model": "demo", "messages": [{"role": "tool", "content": "x"}]}, "role"),
    "assistant last": ({"model": "demo", "messages": [{"role": "assistant", "content": "x"}]}, "in turn"),
    "empty text": (chat(""), "empty"),
    "unknown field": (chat("x", beam_width=3), "beam_width: Extra inputs are not permitted"),
    "negative max_tokens": (chat("x", max_tokens=-5), "max_tokens: Input should be greater than"),
    "max_tokens as text": (chat("x", max_tokens="many"), "max_tokens"),
    "too many tokens": (chat("x", max_tokens=100_000), "600 together"),
    "too long": (chat("word " * 1900), "600 together"),
    "min above max": (chat("x", max_tokens=2, min_tokens=3), "min_tokens 3 is above the limit 2"),
    "temperature": (chat("x", temperature=-1), "temperature"),
    "not a number": (
        b'{"model": "demo", "temperature": NaN, "messages": [{"role":"user","content":"x"}]}',
        "",
    ),
    "two answers": (chat("x", n=2), "n: Input should be 1"),
    "tools": (chat("x", tools=[{"type": "function"}]), "tools"),
    "JSON mode": (chat("x", response_format={"type": "json_object"}), "response_format"),
    "logprobs": (chat("x", logprobs=True), "logprobs"),
    "SVG": (chat({"url": data_url(SVG, "image/svg+xml")}), "known format"),
    "a text file": (chat({"url": data_url(b"hello")}), "known format"),
    "broken base64": (chat({"url": "data:image/png;base64,@@@@"}), "not valid base64"),
    "cut base64": (chat({"url": data_url(picture())[:-5]}), ""),
    "no base64": (chat({"url": "data:image/png,abc"}), "data URL in base64"),
    "an empty picture": (chat({"url": "data:image/png;base64,"}), "the picture is empty"),
    "a cut picture": (chat({"url": data_url(picture()[:90])}), "cannot be read as an image"),
    "a bomb": (chat({"url": data_url(bomb())}), "2500000000 pixels"),
    "too many pixels": (chat({"url": data_url(picture(1, 600, 600))}), "600 x 600 pixels"),
    "too many bytes": (chat({"url": data_url(noise())}), "more than 200,000 bytes"),
    "a file": (chat({"url": "file:///etc/passwd"}), "expected a data URL"),
    "a path": (chat({"url": "/etc/passwd"}), "expected a data URL"),
    "a web address": (chat({"url": "http://127.0.0.1:1/a.png"}), "off on this server"),
    "five pictures": (chat(ONE, ONE, ONE, ONE, ONE, "x"), "5 pictures; this server takes 4"),
    "10,000 pictures": (chat(*[{"url": "data:,"}] * 10_000, "x"), "10,000 pictures"),
    "deep": (b'{"model":' + b"[" * 100_000, ""),
    "many values": (chat("x", metadata=[1] * 200_001), "more than 200,000 values"),
    "half a character": (b'{"model": "demo", "messages": "\\ud800"}', "Invalid JSON"),
    "bytes that are no text": (b'{"model": "demo\xff"}', "Invalid JSON"),
    "more characters than tokens": (chat(" " * 9601), "9,601 characters"),
    "a long stop": (chat("x", stop="a" * 1001), "stop"),
    "lines in a field's name": (chat("x", **{"a\nb": 1}), "a b: Extra inputs"),
    "a page of a field's name": (chat("x", **{"a" * 10_000: 1}), "aaa"),
    "other pictures' place": (chat("x", ONE, {"url": "data:,"}), "data URL in base64"),
}
