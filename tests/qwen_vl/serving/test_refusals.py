"""Requests that cannot be answered: each gets a 4xx with a reason, and the server answers the next one."""

import http.client
import json
import select
import socket
import weakref
from contextlib import suppress
from typing import Any

import pytest
from PIL import Image

from qwen_vl.serving.asking import Bounds, Reader
from qwen_vl.serving.bodies import ChatBody
from qwen_vl.serving.hosts import Hosts
from qwen_vl.serving.intake import BODIES
from qwen_vl.serving.pictures import from_url
from qwen_vl.session import QwenVL
from tests.qwen_vl.serving.bad import BAD, ONE
from tests.qwen_vl.serving.running import JSON, Running, chat, data_url, picture, said, serving, wait_for


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_get_a_reason(server: Running, name: str) -> None:
    """A request that raises inside takes the server down, or is told 500 and retried for ever."""
    body, reason = BAD[name]
    status, reply = server.post("/v1/chat/completions", body)
    assert status == 400
    assert reason in reply["error"]["message"]
    assert "\n" not in reply["error"]["message"]
    assert len(json.dumps(reply)) < 1000
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


def test_the_field_of_a_bad_picture_is_named(server: Running) -> None:
    """Of sixteen pictures one is broken: the reply must say which."""
    _, reply = server.post("/v1/chat/completions", chat("x", ONE, {"url": "data:,"}))
    assert reply["error"]["param"] == "messages.0.content.2"


def test_pages_that_are_not_there(server: Running) -> None:
    """Clients read the reason of an error where OpenAI's API puts it, on every page."""
    for method, path, status in (
        ("GET", "/v1/chat/completions", 405),
        ("PUT", "/v1/models", 405),
        ("GET", "/nowhere", 404),
        ("POST", "/v1/embeddings", 404),
        ("GET", "/v1/models/other", 404),
        ("POST", "/v1/chat/completions/", 404),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request(method, path)
        reply = connection.getresponse()
        message = json.loads(reply.read())["error"]["message"]
        assert (reply.status, "/v1/chat/completions" in message or "'other'" in message) == (status, True)
        connection.close()
    assert server.get("/v1/models/demo")[1]["id"] == "demo"


def test_only_json_is_read(server: Running) -> None:
    """A web page can send text to this machine without being asked, but no JSON."""
    body = json.dumps(chat("x", max_tokens=1)).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        status, reply = server.post("/v1/chat/completions", body, {"Content-Type": kind})
        assert (status, "application/json" in reply["error"]["message"]) == (415, True)
    for kind in ("application/json; charset=utf-8", "Application/JSON"):
        assert server.post("/v1/chat/completions", body, {"Content-Type": kind})[0] == 200


def raw(server: Running, sent: bytes, *more: bytes) -> bytes:
    """What comes back for bytes that need not be HTTP, until the server closes."""
    came = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        for piece in (sent, *more):
            connection.sendall(piece)
        with suppress(ConnectionError):
            while piece := connection.recv(65536):
                came += piece
    return came


POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_bytes_that_are_no_request(server: Running) -> None:
    """Headers of a megabyte, broken chunks, another protocol: each is a 400, and nothing is left behind."""
    for sent in (
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x00\n\n\n\n",
    ):
        assert raw(server, sent).startswith(b"HTTP/1.1 400")


def test_bodies_in_chunks_and_requests_in_a_row(server: Running) -> None:
    """A body without a stated length, and three requests sent before the first answer."""
    body = json.dumps(chat("x", max_tokens=1)).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    head = POST + b"Connection: close\r\n"
    assert raw(server, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks).startswith(b"HTTP/1.1 200")
    whole = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    last = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    assert raw(server, whole, whole, last).count(b"HTTP/1.1 200") == 3


def test_clients_that_say_nothing_hold_nobody_up(server: Running) -> None:
    """A hundred connections that send half a request took the places of those who send a whole one."""
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    for number, connection in enumerate(silent):
        if number % 2:
            connection.sendall(POST + b'Content-Length: 1000\r\n\r\n{"model"')
    assert said(server.post("/v1/chat/completions", chat(ONE, "x?")))
    for connection in silent:
        connection.close()


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


def test_bodies_that_stop_coming(
    session: QwenVL, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A body of which the rest never comes was waited for as long as the client liked."""
    monkeypatch.setattr("qwen_vl.serving.intake.SILENT_SECONDS", 0.2)
    with serving(session) as running:
        assert raw(running, POST + b"Content-Length: 99\r\n\r\n{").startswith(b"HTTP/1.1 408")
        monkeypatch.setattr("qwen_vl.serving.intake.SILENT_SECONDS", 20)
        with socket.create_connection(("127.0.0.1", running.port)) as connection:
            connection.sendall(POST + b"Content-Length: 99\r\n\r\n{")
        assert running.get("/health")[0] == 200
    assert not [record for record in caplog.records if record.exc_info], "a client that leaves is no error"


def test_all_bodies_together_have_a_bound(session: QwenVL) -> None:
    """Every request kept to its bound, and 500 of them filled the memory."""
    with serving(session, max_body=20_000) as running:
        part = POST + b"Content-Length: 20000\r\n\r\n" + b" " * 19_000
        held = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(BODIES + 1)]
        for connection in held:
            connection.sendall(part)
        refused = wait_for_one(held)
        assert refused.startswith(b"HTTP/1.1 429")
        assert b"retry-after" in refused.lower()
        for connection in held:
            connection.close()
        wait_for(lambda: running.post("/v1/chat/completions", chat(ONE, "x?"))[0] == 200)


def wait_for_one(connections: list[socket.socket]) -> bytes:
    """What the first connection that gets a reply gets."""
    ready, _, _ = select.select(connections, [], [], 60)
    return bytes(ready[0].recv(65536))


def test_large_pictures_are_made_small_one_by_one(session: QwenVL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen pictures of 50 megapixels, all decoded before the first is made small, are three gigabytes."""
    alive: list[weakref.ref[Image.Image]] = []
    most = 0

    def opened(*given: Any) -> Image.Image:
        nonlocal most
        image = from_url(*given)
        alive.append(weakref.ref(image))
        most = max(most, sum(one() is not None for one in alive))
        return image

    monkeypatch.setattr("qwen_vl.serving.asking.from_url", opened)
    reader = Reader(session, Bounds())
    body = ChatBody.model_validate(chat(*[{"url": data_url(picture(n))} for n in range(8)], "x"))
    assert len(reader.read(body).query.images) == 8
    assert most <= 2, "the one that is read, and the one before it"


def test_keys(session: QwenVL) -> None:
    """A server with a key lets nobody else in, nor shows what it serves."""
    with serving(session, key="secret") as running:
        for given in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "secret"},
            {"Authorization": "Bearer secr\xe9t"},
            {"Authorization": "Bearer secret\xff"},
        ):
            assert running.get("/v1/models", given)[0] == 401
            status, reply = running.post("/v1/chat/completions", chat("x"), given)
            assert status == 401
            assert "secret" not in json.dumps(reply)
        assert running.get("/v1/models", {"Authorization": "Bearer secret"})[0] == 200
        assert running.get("/health")[0] == 200


def test_other_names_are_not_answered(server: Running) -> None:
    """A web page whose name is made to point at this machine could ask the server for whoever visits it."""
    for host in (
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "[",
        "10.0.0.7",
        "localhost@evil",
    ):
        for path in ("/v1/models", "/health"):
            status, said = server.get(path, {"Host": host})
            assert (status, "--allow-host NAME" in said["error"]["message"]) == (421, True), host
        assert server.post("/v1/chat/completions", chat("x", max_tokens=1), {"Host": host})[0] == 421
    for host in ("localhost", "LOCALHOST:9", "127.0.0.1:1", "127.0.0.2", "[::1]:8000", "served.example:80"):
        assert server.get("/v1/models", {"Host": host})[0] == 200, host
    assert "any.example" in Hosts("0.0.0.0", "0.0.0.0")
    assert "any.example" not in Hosts("0.0.0.0", "0.0.0.0", ["one.example"])
    assert "desk:8000" in Hosts("127.0.1.1", "desk")
    assert None in Hosts("127.0.0.1", "localhost"), "of HTTP/1.0, which no browser speaks"


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
            connection.request("POST", "/v1/chat/completions", json.dumps(body), JSON)
            wait_for(lambda: running.worker.num_jobs == 1)
            connection.close()
            wait_for(lambda: running.worker.num_jobs == 0)
        assert said(running.post("/v1/chat/completions", chat(ONE, "x?")))
