"""A server in this process, on a port of its own, and small pictures to send to it."""

import base64
import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from PIL import Image

from qwen_vl.engine import Engine
from qwen_vl.serving.app import make_app
from qwen_vl.serving.asking import Bounds, Reader
from qwen_vl.serving.fetching import Fetch
from qwen_vl.serving.hosts import Hosts
from qwen_vl.serving.pictures import Limits
from qwen_vl.serving.server import Server
from qwen_vl.serving.worker import Worker
from qwen_vl.session import QwenVL

JSON = {"Content-Type": "application/json"}
PICTURES = Limits(images=4, image_bytes=200_000, image_pixels=250_000)


@dataclass(frozen=True, slots=True)
class Running:
    """Where the server is, and what answers behind it."""

    port: int
    worker: Worker
    session: QwenVL

    @property
    def url(self) -> str:
        """What clients call the base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Status and JSON of a reply; a body of bytes goes as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", path, content, {**JSON, **(headers or {})})
        reply = connection.getresponse()
        said = reply.read()
        connection.close()
        return reply.status, json.loads(said) if said.startswith(b"{") else said.decode()

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Status and JSON of a page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers=headers or {})
        reply = connection.getresponse()
        said = json.loads(reply.read())
        connection.close()
        return reply.status, said


@contextmanager
def serving(
    session: QwenVL,
    *,
    key: str | None = None,
    max_waiting: int = 512,
    max_body: int = 4 << 20,
    slots: int = 8,
    fetch: Fetch | None = None,
) -> Iterator[Running]:
    """A server of a loaded checkpoint, ended when the block is left."""
    worker = Worker(Engine(session.loaded.model, slots=slots, check=True), max_waiting)
    reader = Reader(session, Bounds(PICTURES, context=600), fetch)
    hosts = Hosts("127.0.0.1", "127.0.0.1", ["served.example"])
    about = {"prompt_parts": True}
    app = make_app(worker, reader, "demo", max_body=max_body, key=key, about=about, hosts=hosts)
    listening = socket.create_server(("127.0.0.1", 0))
    server = Server(app, worker, grace=20, log_level="error")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield Running(listening.getsockname()[1], worker, session)
    finally:
        server.should_exit = True
        thread.join()
        worker.close()


def data_url(content: bytes, kind: str = "image/png") -> str:
    """Content as a data URL."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def picture(shade: int = 100, width: int = 60, height: int = 40) -> bytes:
    """A PNG of one colour with a bar in it, by the shade."""
    image = Image.new("RGB", (width, height), (shade % 256, 80, 160))
    image.paste((255, 255 - shade % 256, 0), (shade % 30, 5, shade % 30 + 12, 30))
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def chat(*content: Any, **fields: Any) -> dict[str, Any]:
    """A body of one turn: texts, and URLs of pictures as {"url": ...}."""
    parts = [
        {"type": "text", "text": part} if isinstance(part, str) else {"type": "image_url", "image_url": part}
        for part in content
    ]
    return {"model": "demo", "temperature": 0, "messages": [{"role": "user", "content": parts}], **fields}


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds, at most half a minute."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to be")


def said(reply: tuple[int, Any]) -> str:
    """The text of a reply that must be one."""
    status, body = reply
    assert status == 200, body
    choice = body["choices"][0]
    text: str = choice["message"]["content"] if "message" in choice else choice["text"]
    return text
