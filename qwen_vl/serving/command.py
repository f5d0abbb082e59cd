"""`python -m qwen_vl serve`: its options, and the server from start to end."""

import argparse
import os
import signal
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

from qwen_vl.options import filled, positive
from qwen_vl.serving.hosts import Hosts, is_loopback

PURPOSE = "serve the model to clients of OpenAI's API"
EXAMPLES = """\
examples:
  python -m qwen_vl serve --model demo --port 8000
  python -m qwen_vl serve --model Qwen/Qwen-VL-Chat --host 0.0.0.0 --api-key-env SERVER_KEY
  python -m eval_mm run --task refcoco --model openai:demo --base-url http://127.0.0.1:8000/v1

Clients send pictures as data URLs to /v1/chat/completions, streamed or not; a base model completes every
question on its own. Ctrl-C ends the server once running requests are answered, at most --grace seconds later;
a second one ends it now.
"""


class ServeError(Exception):
    """A server that cannot start, in one line."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = parser.add_argument
    add("--model", default="demo", type=filled, help="a checkpoint folder, a hub id, or 'demo' (default)")
    add("--name", type=filled, help="what clients call the model (its hub id, or the folder's name)")
    add(
        "--host", default="127.0.0.1", type=filled, help="address to listen at (127.0.0.1: this machine only)"
    )
    add("--port", default=8000, type=_port, help="port to listen at (8000; 0 takes a free one)")
    add(
        "--api-key-env",
        type=filled,
        metavar="NAME",
        help="the environment variable with the key that clients must send (default: none is asked for)",
    )
    add(
        "--allow-host",
        action="append",
        default=[],
        type=filled,
        metavar="NAME",
        help="a name by which clients reach this machine, may be repeated (default: at 127.0.0.1 its own "
        "names alone, at other addresses any)",
    )
    add("--device", default="auto", help="auto (default), cpu, cuda, cuda:N")
    add("--dtype", default="auto", help="auto (default), bfloat16, float16, float32")
    limits = parser.add_argument_group("limits")
    more = limits.add_argument
    more("--max-context", type=positive, default=8192, metavar="N", help="tokens of prompt and answer (8192)")
    more(
        "--max-waiting", type=positive, default=512, metavar="N", help="requests at once; more get 429 (512)"
    )
    more("--max-images", type=positive, default=16, metavar="N", help="pictures of a request (16)")
    more("--max-image-mb", type=positive, default=20, metavar="N", help="megabytes of a picture (20)")
    more("--max-image-mp", type=positive, default=50, metavar="N", help="megapixels of a picture (50)")
    more("--max-body-mb", type=positive, default=64, metavar="N", help="megabytes of a request (64)")
    more("--grace", type=positive, default=30, metavar="SECONDS", help="for running requests at the end (30)")
    more(
        "--allow-image-urls",
        action="append",
        default=[],
        type=_prefix,
        metavar="PREFIX",
        help="pictures may be fetched from addresses that begin so, such as https://images.example.org/; off "
        "by default, may be repeated",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serves until it is told to end; 0 when it ended well."""
    options = vars(arguments)
    if missing := [package for package in ("fastapi", "uvicorn") if find_spec(package) is None]:
        raise ServeError(f"serve needs {' and '.join(missing)}: pip install 'eval-mm[serve]'")
    key = _key(options["api_key_env"])
    listening = _listen(options["host"], options["port"])
    if options["model"] == "demo":  # matrices this small gain nothing from threads
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    from qwen_vl.engine import Engine
    from qwen_vl.fingerprint import fingerprint
    from qwen_vl.image import MAX_PIXELS
    from qwen_vl.serving.app import make_app
    from qwen_vl.serving.asking import Bounds, Reader
    from qwen_vl.serving.fetching import fetcher
    from qwen_vl.serving.pictures import Limits
    from qwen_vl.serving.server import Server
    from qwen_vl.serving.worker import Worker
    from qwen_vl.session import QwenVL

    pixels = options["max_image_mp"] * 1_000_000
    if pixels > MAX_PIXELS:
        raise ServeError(f"--max-image-mp {options['max_image_mp']}: at most {MAX_PIXELS // 1_000_000}")
    session = QwenVL.from_pretrained(options["model"], options["device"], options["dtype"])
    limits = Limits(options["max_images"], options["max_image_mb"] << 20, pixels)
    fetch = fetcher(options["allow_image_urls"]) if options["allow_image_urls"] else None
    name = options["name"] or _name(options["model"])
    about = {
        "prompt_parts": True,
        "chat": session.is_chat,
        "box_scale": "999",
        "demo": session.loaded.config.demo,
        "fingerprint": f"{fingerprint(session.loaded.folder)}-{str(session.loaded.model.dtype)[6:]}",
        "max_model_len": options["max_context"],
    }
    host, port = listening.getsockname()[:2]
    worker = Worker(Engine(session.loaded.model), options["max_waiting"])
    app = make_app(
        worker,
        Reader(session, Bounds(limits, options["max_context"]), fetch),
        name,
        max_body=options["max_body_mb"] << 20,
        key=key,
        about=about,
        hosts=Hosts(host, options["host"], options["allow_host"]),
    )
    shown = f"[{host}]" if ":" in host else host
    print(f"serving {name} at http://{shown}:{port}/v1 (Ctrl-C ends it)", file=sys.stderr, flush=True)
    if key is None and not is_loopback(host):
        print(
            "note: anyone who reaches this machine may ask; --api-key-env NAME asks for a key",
            file=sys.stderr,
        )
    for number in (signal.SIGINT, signal.SIGTERM):  # the server hears them, ends well and raises them again
        signal.signal(number, lambda *_: None)
    try:
        Server(app, worker, options["grace"]).run(sockets=[listening])
    finally:
        worker.abandon()
        worker.close()
    return 0


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(found[0], found[1])
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(found[4])
        listening.listen(2048)
        return listening
    except (OSError, UnicodeError) as error:  # the latter of names that cannot be one
        reason = getattr(error, "strerror", None) or error
        raise ServeError(f"--host {host} --port {port}: cannot listen there ({reason})") from None


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "")
    if not key:
        raise ServeError(f"--api-key-env {variable}: that variable is not set or empty")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ServeError(f"--api-key-env {variable}: a key is ASCII without spaces and line ends")
    return key


def _name(model: str) -> str:
    return Path(model).resolve().name if Path(model).is_dir() else model


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535, got '{text}'")
    return port


def _prefix(text: str) -> str:
    from qwen_vl.serving.fetching import is_prefix

    if not is_prefix(text):
        raise argparse.ArgumentTypeError(
            f"expected a beginning such as https://images.example.org/ (with the slash), got '{text}'"
        )
    return text
