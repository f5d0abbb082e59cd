"""The command: it starts, says where, ends well, and says in one line why it cannot."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from qwen_vl.__main__ import main
from tests.qwen_vl.serving.running import chat, data_url, picture

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_ends_after_its_last_answer(number: signal.Signals) -> None:
    """A request that is being answered when the server is told to end gets its answer."""
    command = [sys.executable, "-m", "qwen_vl", "serve", "--model", "demo", "--port", "0", "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        assert line.startswith("serving demo at http://127.0.0.1:"), line
        url = line.split()[3]
        body = chat({"url": data_url(picture())}, "x", max_tokens=200, min_tokens=200, stream=True)
        asked = urllib.request.Request(f"{url}/chat/completions", json.dumps(body).encode())
        with urllib.request.urlopen(asked, timeout=60) as reply:
            reply.readline()
            process.send_signal(number)
            rest = reply.read().decode()
        assert rest.rstrip().endswith("data: [DONE]")
        assert rest.count('"content"') > 20
        assert process.wait(timeout=60) == 0
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()


def test_what_cannot_be_served_is_said_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A taken port, a key that is not set, no such model: each was a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--port", port]) == 2
        assert f"--port {port}: cannot listen there" in capsys.readouterr().err
    assert main(["serve", "--port", "0", "--api-key-env", "NO_SUCH_KEY"]) == 2
    assert "NO_SUCH_KEY: that variable is not set" in capsys.readouterr().err
    assert main(["serve", "--port", "0", "--model", "/nowhere"]) == 2
    assert "/nowhere: no such folder" in capsys.readouterr().err
    for bad in (["--port", "99999"], ["--allow-image-urls", "example.org"], ["--max-images", "0"]):
        with pytest.raises(SystemExit) as ended:
            main(["serve", *bad])
        assert ended.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
