"""A model's server that misbehaves, in a process of its own: `python tests/fault_server.py CONFIG`.

It prints its port, and writes one line for each request to a log file: how it answered, and whom. Faults are
drawn by a seed, so a run can be repeated.
"""

import asyncio
import hashlib
import json
import os
import random
import sys
from pathlib import Path
from typing import Any, NamedTuple

FAULTS = ("429", "500", "503", "reset", "slow", "empty", "unreadable", "garbage")
"""What a judge's server does. A reply that is `empty` or `unreadable` is one all the same, and is paid."""


class Answer(NamedTuple):
    """What goes back: a status, headers and a body; None closes the connection without a word."""

    status: int
    body: bytes
    headers: dict[str, str]


def chat(text: str, finish: str = "stop", beside: dict[str, Any] | None = None, **further: Any) -> Answer:
    """A chat completion, why it ended, and further fields beside its message and in it."""
    message = {"role": "assistant", "content": text, **further}
    value = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": finish, "message": message, **(beside or {})}],
        "usage": {"prompt_tokens": 700, "completion_tokens": 20, "total_tokens": 720},
    }
    return Answer(200, json.dumps(value).encode(), {})


def fault(status: int, message: str, **headers: str) -> Answer:
    """An error as OpenAI says it."""
    body = json.dumps({"error": {"message": message, "type": "x", "code": None}}).encode()
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


class Server:
    """Answers by a config: `faults` (a share) of `kinds`, `seed`, `delay` (seconds), `key`, `says`, `log`.

    `refuses` is a text whose questions get 400, `breaks` one whose questions get 500, `unknown` a field that
    gets 400, `finish` why a reply ended, `further` more fields of its message and `choice` of what holds it,
    `models` what it lists, `capacity` how many calls at once it takes before it says 429, `keep` a folder for
    the bodies it is sent, `dies_after` the number of calls after which it says nothing any more, `replies` a
    status and a body for every call, `port` where it listens.
    """

    def __init__(self, config: dict[str, Any]):
        self.config = config
        self.rng = random.Random(config.get("seed", 0))
        self.log = open(config["log"], "a", encoding="utf-8") if config.get("log") else None  # noqa: SIM115
        self.seen = self.under_way = 0

    def note(self, kind: str, body: bytes) -> None:
        """One line of the log, on disk at once."""
        if self.log is not None:
            self.log.write(f"{kind} {hashlib.sha256(body).hexdigest()[:12]}\n")
            self.log.flush()

    async def reply(self, request: str, key: str, body: bytes) -> Answer | None:
        """What goes back for one request: its list of models, or an answer."""
        if not request.startswith("GET "):
            return await self.answer(key, body)
        if self.config.get("key") is not None and key != f"Bearer {self.config['key']}":
            return fault(401, "Incorrect API key provided")
        if "models" not in self.config:
            return fault(404, "no such page")
        return Answer(200, json.dumps({"object": "list", "data": self.config["models"]}).encode(), {})

    async def answer(self, key: str, body: bytes) -> Answer | None:
        """What goes back for one request."""
        self.seen += 1
        if self.config.get("keep"):
            Path(self.config["keep"], f"{self.seen:04}.json").write_bytes(body)
        wanted = self.config.get("key")
        if wanted is not None and key != f"Bearer {wanted}":
            self.note("401", body)
            return fault(401, f"Incorrect API key provided: {key.removeprefix('Bearer ')}")
        if self.config.get("replies"):
            status, text = self.config["replies"]
            return Answer(status, text.encode(), {})
        if self.config.get("status"):
            self.note(str(self.config["status"]), body)
            return fault(self.config["status"], "no")
        if self.config.get("refuses") and self.config["refuses"].encode() in body:
            self.note("400", body)
            return fault(400, "content filter")
        if self.config.get("breaks") and self.config["breaks"].encode() in body:
            self.note("500", body)
            return fault(500, "cannot decode")
        if self.seen > self.config.get("dies_after", self.seen):
            return None
        unknown = self.config.get("unknown")
        if unknown and unknown in json.loads(body):
            self.note("400", body)
            return fault(400, f"Unsupported parameter: '{unknown}' is not supported with this model.")
        if self.under_way > self.config.get("capacity", self.under_way):
            self.note("429", body)
            return fault(429, "too many", retry_after_ms="5")
        if self.config.get("delay"):
            await asyncio.sleep(self.config["delay"])
        if self.rng.random() < self.config.get("faults", 0.0):
            kind = self.rng.choice(self.config.get("kinds", FAULTS))
            self.note(kind, body)
            return await self.misbehave(kind)
        self.note("ok", body)
        said = self.config.get("says")
        finish = self.config.get("finish", "stop")
        text = said if said is not None else "6.5 8\nThe second is closer to the description."
        return chat(text, finish, self.config.get("choice"), **self.config.get("further", {}))

    async def misbehave(self, kind: str) -> Answer | None:
        """One fault."""
        match kind:
            case "429":
                return fault(429, "too many", retry_after_ms="20", retry_after="1")
            case "500" | "503":
                return fault(int(kind), "later")
            case "slow":
                await asyncio.sleep(self.config.get("slow", 30.0))
                return chat("1 1\nToo late.")
            case "empty":
                return chat("")
            case "unreadable":
                return chat("Answer 1 deserves a 7 and answer 2 an 8.")
            case "garbage":
                return Answer(200, b"<html>busy</html>", {})
            case "truncated":
                whole = chat("(100,200),(500,600)").body
                return Answer(200, whole[: len(whole) // 2], {})
            case "cut":
                return Answer(200, chat("1").body, {"content-length": "9999"})
        return None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept open for further requests."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
                keys = [
                    line.partition(": ")[2] for line in lines if line.lower().startswith("authorization:")
                ]
                body = await reader.readexactly(int(fields.get("content-length", "0")))
                self.under_way += 1
                try:
                    found = await self.reply(lines[0], keys[0] if keys else "", body)
                finally:
                    self.under_way -= 1
                if found is None:
                    writer.transport.abort()
                    return
                given = {"content-type": "application/json", "content-length": str(len(found.body))}
                told = "".join(f"{name}: {value}\r\n" for name, value in (given | found.headers).items())
                writer.write(f"HTTP/1.1 {found.status} X\r\n{told}\r\n".encode() + found.body)
                await writer.drain()
                if int((given | found.headers)["content-length"]) != len(found.body):
                    writer.transport.abort()
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def main(config: dict[str, Any]) -> None:
    """Serves until the process ends."""
    server = Server(config)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", config.get("port", 0), backlog=256)
    print(listening.sockets[0].getsockname()[1], flush=True)
    parent = os.getppid()
    async with listening:
        while os.getppid() == parent:  # a killed test leaves no server behind
            await asyncio.sleep(0.5)


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
