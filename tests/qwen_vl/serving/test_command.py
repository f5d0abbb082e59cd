"""The command: it starts, says where, ends well, and says in one line why it cannot."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from qwen_vl.__main__ import main
from tests.qwen_vl.serving.running import JSON, chat, data_url, picture, wait_for

ROOT = Path(__file__).parents[3]


@contextmanager
def started(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own, and its address."""
    command = [sys.executable, "-m", "qwen_vl", "serve", "--model", "demo", "--port", "0", "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, *options], stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        assert line.startswith("serving demo at http://127.0.0.1:"), line
        yield process, line.split()[3]
    finally:
        process.kill()
        process.wait()


def asked(url: str, **fields: Any) -> urllib.request.Request:
    """A question about a picture."""
    body = json.dumps(chat({"url": data_url(picture())}, "x", **fields)).encode()
    return urllib.request.Request(f"{url}/chat/completions", body, JSON)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_ends_after_its_last_answer(number: signal.Signals) -> None:
    """A request that is being answered when the server is told to end gets its answer."""
    with started() as (process, url):
        with urllib.request.urlopen(asked(url, max_tokens=200, min_tokens=200, stream=True)) as reply:
            reply.readline()
            process.send_signal(number)
            rest = reply.read().decode()
        assert rest.rstrip().endswith("data: [DONE]")
        assert rest.count('"content"') > 20
        assert process.wait(timeout=60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize("how", ["a second signal", "the end of its grace"])
def test_a_server_that_must_end_says_so_to_its_clients(how: str) -> None:
    """Told twice to end it printed pages of traceback, sent replies that were no JSON, and aborted."""
    long = {"max_tokens": 8000, "min_tokens": 8000}
    with started("--grace", "1" if how == "the end of its grace" else "100") as (process, url):
        replies: list[tuple[int, str]] = []

        def ask() -> None:
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(asked(url, **long))
            replies.append((error.value.code, error.value.read().decode()))

        waiting = threading.Thread(target=ask)
        waiting.start()
        with (
            socket.create_connection(("127.0.0.1", int(url.split(":")[2][:-3]))) as silent,
            urllib.request.urlopen(asked(url, **long, stream=True)) as reply,
        ):
            silent.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n")
            silent.sendall(b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
            reply.readline()
            wait_for(lambda: b'"requests":2' in urllib.request.urlopen(f"{url[:-3]}/health").read())
            process.send_signal(signal.SIGINT)
            if how == "a second signal":
                time.sleep(0.3)
                process.send_signal(signal.SIGINT)
            rest = reply.read().decode()
        waiting.join()
        assert "shutting down" in rest
        [(status, said)] = replies
        assert (status, json.loads(said)["error"]["message"]) == (503, "the server is shutting down")
        assert process.wait(timeout=60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_what_cannot_be_served_is_said_in_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A taken port, a key that is not set or that no header carries, no such model: each was a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--port", port]) == 2
        assert f"--port {port}: cannot listen there" in capsys.readouterr().err
    assert main(["serve", "--port", "0", "--api-key-env", "NO_SUCH_KEY"]) == 2
    assert "NO_SUCH_KEY: that variable is not set" in capsys.readouterr().err
    for bad in ("se cret", "secret\n", "schlüssel"):
        monkeypatch.setenv("SERVER_KEY", bad)
        assert main(["serve", "--port", "0", "--api-key-env", "SERVER_KEY"]) == 2
        said = capsys.readouterr().err
        assert "SERVER_KEY: a key is ASCII" in said
        assert bad.strip() not in said
    for host in ("no such host", "a" * 300):
        assert main(["serve", "--port", "0", "--host", host]) == 2
        assert "cannot listen there" in capsys.readouterr().err
    assert main(["serve", "--port", "0", "--max-image-mp", "500"]) == 2
    assert "--max-image-mp 500: at most 178" in capsys.readouterr().err
    assert main(["serve", "--port", "0", "--model", "/nowhere"]) == 2
    assert "/nowhere: no such folder" in capsys.readouterr().err
    for options in (
        ["--port", "99999"],
        ["--allow-image-urls", "http://a@b/"],
        ["--allow-image-urls", "example.org"],
        ["--max-images", "0"],
    ):
        with pytest.raises(SystemExit) as ended:
            main(["serve", *options])
        assert ended.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
