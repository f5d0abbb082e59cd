"""Requests a second of the server at 1, 4, 16 and 64 clients, each asking one question after another.

    python benchmarks/serving/measure_serving.py

The server is a process of its own, the clients are threads of another, so both share the cores.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from tests.qwen_vl.serving.running import JSON, chat, data_url, picture

CLIENTS = (1, 4, 16, 64)


def main() -> None:
    """Measures and prints a table, every count twice, the better kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=256, help="of every measurement (256)")
    parser.add_argument("--tokens", type=int, default=24, help="of every answer (24)")
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "qwen_vl", "serve", "--model", "demo", "--port", "0", "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert server.stderr is not None
    try:
        url = server.stderr.readline().split()[3] + "/chat/completions"
        rates = {clients: 0.0 for clients in CLIENTS}
        for _ in range(2):
            for clients in CLIENTS:
                count = arguments.requests if clients > 1 else arguments.requests // 4
                rates[clients] = max(rates[clients], measured(url, clients, count, arguments.tokens))
    finally:
        server.terminate()
        server.wait()
    print("| clients | requests/s | times one client |\n| ---: | ---: | ---: |")
    for clients, rate in rates.items():
        print(f"| {clients} | {rate:.1f} | {rate / rates[1]:.1f} |")


def measured(server: str, clients: int, count: int, tokens: int) -> float:
    """Requests a second."""
    bodies = [
        json.dumps(
            chat({"url": data_url(picture(number))}, "x", max_tokens=tokens, min_tokens=tokens)
        ).encode()
        for number in range(count)
    ]

    def ask(body: bytes) -> None:
        with urllib.request.urlopen(urllib.request.Request(server, body, JSON), timeout=600) as reply:
            reply.read()

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(ask, bodies))
    return count / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
