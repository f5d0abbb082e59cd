"""A server of models for tests, in another process."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KEY = "sk-test-4f7d0aa1c2"


@contextmanager
def served(tmp_path: Path, **config: Any) -> Iterator[str]:
    """The base URL of a server that does what tests/fault_server.py makes of the config."""
    path = tmp_path / "server.json"
    path.write_text(json.dumps({"log": str(tmp_path / "server.log"), **config}), encoding="utf-8")
    program = Path(__file__).with_name("fault_server.py")
    process = subprocess.Popen([sys.executable, str(program), str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def asked(tmp_path: Path) -> Counter[str]:
    """How the server answered, by kind."""
    return Counter(kind for kind, _ in calls(tmp_path))


def calls(tmp_path: Path) -> list[tuple[str, str]]:
    """Every call: how it was answered, and the hash of what it said."""
    log = tmp_path / "server.log"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [(kind, body) for kind, body in map(str.split, lines)]
