"""The routes: /v1/chat/completions, /v1/completions, /v1/models, /health, in the shapes of OpenAI's API.

https://platform.openai.com/docs/api-reference. What a request may hold is in bodies.py, how it is answered in
replies.py; fields of our own are marked there. Every refusal is a JSON error with a reason and the field that
it is about.
"""

import asyncio
import hmac
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from qwen_vl.serving.answering import Ending, FailedError, pieces
from qwen_vl.serving.asking import Reader, RefusedError
from qwen_vl.serving.bodies import ChatBody, CompletionBody, Manner
from qwen_vl.serving.hosts import Hosts
from qwen_vl.serving.intake import Intake
from qwen_vl.serving.replies import ChatShape, CompletionShape, HTTPError, Reply, Shape
from qwen_vl.serving.text import Text
from qwen_vl.serving.worker import Asked, BusyError, ClosedError, Worker

READERS = 4
"""Requests whose pictures are decoded at once, and besides as many that fetch theirs: what bounds the memory
of pictures not yet small.
"""
GONE_SECONDS = 0.5
"""How often a client that waits for an answer is looked after."""
PAGES = "/v1/chat/completions, /v1/completions, /v1/models, /health"


def make_app(
    worker: Worker,
    reader: Reader,
    name: str,
    *,
    max_body: int,
    key: str | None = None,
    about: dict[str, Any],
    hosts: Hosts,
) -> FastAPI:
    """The server's routes.

    worker: answers. reader: reads requests. name: of the model, as clients say it. max_body: bytes of a
    request. key: what clients must send as bearer; None lets everyone in. about: facts for /v1/models.
    hosts: by which names it may be asked.
    """
    intake = Intake(max_body)
    entry = {"id": name, "object": "model", "created": int(time.time()), "owned_by": "qwen_vl", **about}
    reading, fetching = ThreadPoolExecutor(READERS, "reading"), ThreadPoolExecutor(READERS, "fetching")

    async def check_host(request: Request) -> None:
        host = request.headers.get("host")
        if host not in hosts:
            raise HTTPError(421, f"no server of the name {host!r:.80}; --allow-host NAME answers to it")

    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(check_host)],
    )

    async def refused(request: Request, error: Exception) -> JSONResponse:
        said = _as_reply(error, request)
        return JSONResponse(said.body(), said.status, said.headers)

    for kind in (HTTPError, HTTPException, RefusedError, BusyError, ClosedError, FailedError, Exception):
        app.add_exception_handler(kind, refused)

    def check(request: Request) -> None:
        given = request.headers.get("authorization", "")
        if key is not None and not hmac.compare_digest(given.encode("latin-1"), f"Bearer {key}".encode()):
            raise HTTPError(401, "a valid API key is needed", headers={"WWW-Authenticate": "Bearer"})

    async def read(request: Request, kind: type[ChatBody] | type[CompletionBody]) -> tuple[Asked, Manner]:
        """The query that a request is, and how its answer is told; raises what is wrong with it."""
        check(request)
        worker.check_room()
        loop = asyncio.get_running_loop()
        async with intake.body(request) as content:
            try:
                parse: Callable[[bytearray], ChatBody | CompletionBody] = kind.model_validate_json
                body = await loop.run_in_executor(reading, parse, content)
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False, include_context=False)[0]
                field = ".".join(str(part) for part in first["loc"])
                raise HTTPError(400, f"{field}: {first['msg']}" if field else first["msg"], field) from None
            if body.model != name:
                raise HTTPError(
                    404, f"model {body.model!r:.80} is not served here; there is {name!r}", "model"
                )
            threads = fetching if reader.has_addresses(body) else reading
            return await loop.run_in_executor(threads, reader.read, body), body.manner

    async def answered(request: Request, asked: Asked, manner: Manner, shape: Shape) -> Response:
        """The reply, whole or as a stream of events."""
        text = Text(reader.session.loaded.tokenizer, manner.stops, manner.skip_special_tokens)
        ending = Ending(len(asked.query.ids))
        coming = pieces(worker, asked, text, ending)
        if not manner.stream:
            return JSONResponse(shape.whole(await _watched(request, _joined(coming)), ending))
        first = await _watched(request, anext(coming, ""))  # before a status is said
        events = _events(first, coming, ending, shape, manner.usage)
        return StreamingResponse(events, media_type="text/event-stream")

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        asked, manner = await read(request, ChatBody)
        return await answered(request, asked, manner, ChatShape(name))

    @app.post("/v1/completions")
    async def completion(request: Request) -> Response:
        asked, manner = await read(request, CompletionBody)
        return await answered(request, asked, manner, CompletionShape(name))

    @app.get("/v1/models")
    async def models(request: Request) -> Reply:
        check(request)
        return {"object": "list", "data": [entry]}

    @app.get("/v1/models/{asked:path}")
    async def model(request: Request, asked: str) -> Reply:
        check(request)
        if asked != name:
            raise HTTPError(404, f"model {asked!r:.80} is not served here; there is {name!r}", "model")
        return entry

    @app.get("/health")
    async def health() -> JSONResponse:
        alive = worker.is_alive
        said = {"status": "ok" if alive else "the engine has ended", "requests": worker.num_jobs}
        return JSONResponse(said, 200 if alive else 503)

    return app


def _as_reply(error: Exception, request: Request) -> HTTPError:
    """What a client is told of an error; of one that should not be, no more than that it was."""
    match error:
        case HTTPError():
            return error
        case RefusedError():
            return HTTPError(400, str(error), error.field)
        case BusyError():
            return HTTPError(429, f"{error}; try again", headers={"Retry-After": "1"})
        case ClosedError():
            return HTTPError(503, str(error), headers={"Retry-After": "30"})
        case FailedError():
            return HTTPError(500, str(error))
        case HTTPException(status_code=405):
            allowed = dict(error.headers or {})
            return HTTPError(405, f"no {request.method} here; there are {PAGES}", headers=allowed)
        case HTTPException():
            return HTTPError(error.status_code, f"no such page; there are {PAGES}")
    return HTTPError(500, "an error inside the server; its log says more")


async def _joined(coming: AsyncGenerator[str, None]) -> str:
    async with aclosing(coming):
        return "".join([piece async for piece in coming])


async def _watched(request: Request, answer: Awaitable[str]) -> str:
    """The answer, given up when the client goes away, or the server."""
    task = asyncio.ensure_future(answer)
    try:
        while not (await asyncio.wait({task}, timeout=GONE_SECONDS))[0]:
            if await request.is_disconnected():
                raise HTTPError(499, "the client went away")
        return task.result()
    except asyncio.CancelledError:
        raise ClosedError("the server is shutting down") from None
    finally:
        task.cancel()


async def _events(
    first: str, coming: AsyncGenerator[str, None], ending: Ending, shape: Shape, usage: bool
) -> AsyncIterator[str]:
    """Server-sent events: pieces, the end, the counts if wanted, [DONE]."""
    async with aclosing(coming):
        try:
            yield _event(shape.begin(first))
            async for piece in coming:
                yield _event(shape.go_on(piece))
            yield _event(shape.end(ending))
            if usage:
                yield _event(shape.usage(ending))
        except FailedError as error:
            yield _event(HTTPError(500, str(error)).body())
        except ClosedError as error:
            yield _event(HTTPError(503, str(error)).body())
        yield "data: [DONE]\n\n"


def _event(value: Reply) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
