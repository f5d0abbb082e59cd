"""Requests that cannot be answered: each gets a 4xx with a reason, and the server answers the next one."""

import http.client
import io
import json
import struct
import time
import zlib
from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest
from PIL import Image

from qwen_vl.engine import Answer, Engine, Query
from qwen_vl.serving.command import fetcher
from qwen_vl.serving.worker import Asked, ClosedError, Worker
from qwen_vl.session import QwenVL
from tests.qwen_vl.serving.running import Running, chat, data_url, picture, said, serving


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
    "too long": (chat("word " * 5000), "600 together"),
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
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_get_a_reason(server: Running, name: str) -> None:
    """A request that raises inside takes the server down, or is told 500 and retried for ever."""
    body, reason = BAD[name]
    status, reply = server.post("/v1/chat/completions", body)
    assert status == 400
    assert reason in reply["error"]["message"]
    assert "\n" not in reply["error"]["message"]
    assert reply["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"model": "demo"}, "one of prompt"),
        ({"model": "demo", "prompt": "x", "prompt_parts": [{"text": "x"}]}, "one of prompt"),
        ({"model": "demo", "prompt": ""}, "the prompt is empty"),
        ({"model": "demo", "prompt_parts": [{"mark": "<|im_end|>"}]}, "mark is one of"),
        ({"model": "demo", "prompt_parts": [{}]}, "one of text, mark, image_url"),
        ({"model": "demo", "prompt": "x", "choices": [""]}, "a choice is empty"),
        ({"model": "demo", "prompt": "x", "choices": ["a"], "stream": True}, "not streamed"),
    ],
)
def test_bad_prompts_get_a_reason(server: Running, body: dict[str, Any], reason: str) -> None:
    """The same of the page for prompts."""
    status, reply = server.post("/v1/completions", body)
    assert (status, reason in reply["error"]["message"]) == (400, True), reply


def test_after_all_that_the_server_answers(server: Running) -> None:
    """What was refused leaves nothing behind."""
    assert said(server.post("/v1/chat/completions", chat(ONE, "x?")))
    assert server.get("/health") == (200, {"status": "ok", "requests": 0})
    assert not server.worker._pixels


def test_bodies_have_a_bound(session: QwenVL) -> None:
    """A request of gigabytes is refused while it comes, not once it is in memory."""
    with serving(session, max_body=10_000) as running:
        status, reply = running.post("/v1/chat/completions", b" " * 20_000)
        assert (status, reply["error"]["message"]) == (413, "the request has more than 10,000 bytes")


def test_keys(session: QwenVL) -> None:
    """A server with a key lets nobody else in, nor shows what it serves."""
    with serving(session, key="secret") as running:
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}):
            assert running.get("/v1/models", given)[0] == 401
            status, reply = running.post("/v1/chat/completions", chat("x"), given)
            assert status == 401
            assert "secret" not in json.dumps(reply)
        assert running.get("/v1/models", {"Authorization": "Bearer secret"})[0] == 200
        assert running.get("/health")[0] == 200


def test_a_full_line_is_said(session: QwenVL) -> None:
    """Beyond its line the server says 429 at once, instead of keeping everybody waiting for ever."""
    with serving(session, max_waiting=0) as running:
        assert running.post("/v1/chat/completions", chat("x"))[0] == 429


def test_clients_that_go_away_free_their_slots(session: QwenVL) -> None:
    """Answers that nobody waits for any more took the slots of those who do."""
    with serving(session, slots=2) as running:
        for stream in (True, False, True, False):
            connection = http.client.HTTPConnection("127.0.0.1", running.port)
            body = chat(ONE, "x", max_tokens=500, min_tokens=500, stream=stream)
            connection.request("POST", "/v1/chat/completions", json.dumps(body))
            wait_for(lambda: running.worker.num_jobs == 1)
            connection.close()
            wait_for(lambda: running.worker.num_jobs == 0)
        assert said(running.post("/v1/chat/completions", chat(ONE, "x?")))


def wait_for(condition: Any) -> None:
    """Until it holds, at most half a minute."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to be")


def test_an_engine_that_fails_begins_anew(session: QwenVL, monkeypatch: pytest.MonkeyPatch) -> None:
    """One failure inside ended the engine's thread, and every later request waited for ever."""
    engine = Engine(session.loaded.model)
    plain, failures = engine.answer, [RuntimeError("a fault inside")]

    def faulty(*given: Any) -> Iterator[Answer]:
        for answer in plain(*given):
            if failures:
                raise failures.pop()
            yield answer

    monkeypatch.setattr(engine, "answer", faulty)
    worker = Worker(engine)
    ended: Queue[Answer] = Queue()
    asked = Asked(Query(None, (5, 6, 7), max_new_tokens=2), {})
    worker.submit(asked, ended.put)
    assert str(ended.get(timeout=60).error) == "a fault inside"
    worker.submit(asked, ended.put)
    assert ended.get(timeout=60).error is None
    worker.close()
    with pytest.raises(ClosedError):
        worker.submit(asked, ended.put)


def test_only_allowed_addresses_are_fetched() -> None:
    """A prefix that is not checked lets clients read what only the server can reach."""
    fetch = fetcher(["http://127.0.0.1:9/pictures/"])
    with pytest.raises(Exception, match="not allowed on this server"):
        fetch("http://127.0.0.1:9/secrets", 100)
    with pytest.raises(Exception, match="could not be fetched"):
        fetch("http://127.0.0.1:9/pictures/a.png", 100)
