"""The routes: /v1/chat/completions, /v1/completions, /v1/models, /health, in the shapes of OpenAI's API.

https://platform.openai.com/docs/api-reference. What a request may hold is in bodies.py; fields of our own are
marked there. Every refusal is a JSON error with a reason and the field it is about.
"""

import asyncio
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import ValidationError

from qwen_vl.serving.answering import Ending, FailedError, pieces
from qwen_vl.serving.asking import Reader, RefusedError
from qwen_vl.serving.bodies import ChatBody, CompletionBody, Limited
from qwen_vl.serving.text import Text
from qwen_vl.serving.worker import Asked, BusyError, ClosedError, Worker

READERS = 4
"""Requests whose pictures are decoded at once: what bounds the memory of pictures not yet small."""
GONE_SECONDS = 0.5
"""How often a client that waits for a whole answer is looked after."""

AnyBody = TypeVar("AnyBody", ChatBody, CompletionBody)
Shape = Callable[[str, Ending | None, bool], dict[str, Any]]


class HTTPError(Exception):
    """An answer other than 200."""

    def __init__(
        self, status: int, message: str, field: str | None = None, headers: dict[str, str] | None = None
    ):
        super().__init__(message)
        self.status, self.field, self.headers = status, field, headers


def make_app(
    worker: Worker, reader: Reader, name: str, *, max_body: int, key: str | None = None, about: dict[str, Any]
) -> FastAPI:
    """The server's routes.

    worker: answers. reader: reads requests. name: of the model, as clients say it. max_body: bytes of a
    request. key: what clients must send as bearer; None lets everyone in. about: facts for /v1/models.
    """
    started = int(time.time())
    reading = asyncio.Semaphore(READERS)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(worker.close)

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)

    @app.exception_handler(HTTPError)
    async def refused(request: Request, error: HTTPError) -> JSONResponse:
        return JSONResponse(_error(error), error.status, error.headers)

    @app.exception_handler(404)
    async def unknown(request: Request, error: Exception) -> JSONResponse:
        where = "/v1/chat/completions, /v1/completions, /v1/models, /health"
        return JSONResponse(_error(HTTPError(404, f"no such page; there are {where}")), 404)

    def check(request: Request) -> None:
        given = request.headers.get("authorization", "")
        if key is not None and not hmac.compare_digest(given.encode(), f"Bearer {key}".encode()):
            raise HTTPError(401, "a valid API key is needed", headers={"WWW-Authenticate": "Bearer"})

    async def read(
        request: Request, kind: type[AnyBody], ask: Callable[[AnyBody], Asked]
    ) -> tuple[AnyBody, Asked]:
        """The body of a request and the query it is; HTTPError says what is wrong with it."""
        check(request)
        content = bytearray()
        async for piece in request.stream():
            content += piece
            if len(content) > max_body:
                raise HTTPError(413, f"the request has more than {max_body:,} bytes")
        try:
            async with reading:
                body = await asyncio.to_thread(kind.model_validate_json, bytes(content))
                content.clear()
                if body.model != name:
                    raise HTTPError(
                        404, f"model {body.model!r:.80} is not served here; there is {name!r}", "model"
                    )
                return body, await asyncio.to_thread(ask, body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            raise HTTPError(400, f"{field}: {first['msg']}" if field else first["msg"], field) from None
        except RefusedError as error:
            raise HTTPError(400, str(error), error.field) from None

    async def answered(request: Request, body: Limited, asked: Asked, shape: Shape) -> Response:
        """The reply, whole or as a stream of events."""
        stops = getattr(body, "stops", ())
        text = Text(reader.session.loaded.tokenizer, stops, body.skip_special_tokens)
        ending = Ending(len(asked.query.ids))
        coming = pieces(worker, asked, text, ending)
        try:
            if not body.stream:
                said = await _watched(request, _joined(coming))
                return JSONResponse(shape(said, ending, False))
            first = await anext(coming, None)  # so that refusals have a status
        except BusyError as error:
            raise HTTPError(429, f"{error}; try again", headers={"Retry-After": "1"}) from None
        except ClosedError as error:
            raise HTTPError(503, str(error), headers={"Retry-After": "30"}) from None
        except FailedError as error:
            raise HTTPError(500, str(error)) from None
        usage = body.stream_options is not None and body.stream_options.include_usage
        return StreamingResponse(_events(first, coming, ending, shape, usage), media_type="text/event-stream")

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        body, asked = await read(request, ChatBody, reader.chat)
        return await answered(request, body, asked, _chat_shape(name, body.stream))

    @app.post("/v1/completions")
    async def completion(request: Request) -> Response:
        body, asked = await read(request, CompletionBody, reader.completion)
        return await answered(request, body, asked, _completion_shape(name))

    @app.get("/v1/models")
    async def models(request: Request) -> dict[str, Any]:
        check(request)
        entry = {"id": name, "object": "model", "created": started, "owned_by": "qwen_vl", **about}
        return {"object": "list", "data": [entry]}

    @app.get("/health")
    async def health() -> JSONResponse:
        alive = worker.is_alive
        said = {"status": "ok" if alive else "the engine has ended", "requests": worker.num_jobs}
        return JSONResponse(said, 200 if alive else 503)

    return app


async def _joined(coming: AsyncIterator[str]) -> str:
    return "".join([piece async for piece in coming])


async def _watched(request: Request, answer: Awaitable[str]) -> str:
    """The answer, given up when the client goes away."""
    task = asyncio.ensure_future(answer)
    try:
        while not (await asyncio.wait({task}, timeout=GONE_SECONDS))[0]:
            if await request.is_disconnected():
                raise HTTPError(499, "the client went away")
        return task.result()
    finally:
        task.cancel()


async def _events(
    first: str | None, coming: AsyncIterator[str], ending: Ending, shape: Shape, usage: bool
) -> AsyncIterator[str]:
    """Server-sent events: pieces, the end, the counts if wanted, [DONE]."""
    try:
        if first is not None:
            yield _event(shape(first, None, False))
            async for piece in coming:
                yield _event(shape(piece, None, False))
        yield _event(shape("", ending, False))
        if usage:
            yield _event(shape("", ending, True))
    except FailedError as error:
        yield _event(_error(HTTPError(500, str(error))))
    yield "data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def _chat_shape(name: str, stream: bool) -> Shape:
    common = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": name}

    def shape(text: str, ending: Ending | None, only_usage: bool) -> dict[str, Any]:
        if not stream:
            assert ending is not None
            message = {"role": "assistant", "content": text, "refusal": None}
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": ending.finish_reason}
            return {**common, "object": "chat.completion", "choices": [choice], "usage": _usage(ending)}
        chunk: dict[str, Any] = {**common, "object": "chat.completion.chunk", "choices": []}
        if only_usage:
            assert ending is not None
            return {**chunk, "usage": _usage(ending)}
        delta = {"role": "assistant", "content": text} if ending is None else {}
        reason = None if ending is None else ending.finish_reason
        return {**chunk, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}

    return shape


def _completion_shape(name: str) -> Shape:
    common = {"id": f"cmpl-{uuid.uuid4().hex}", "object": "text_completion", "created": int(time.time())}

    def shape(text: str, ending: Ending | None, only_usage: bool) -> dict[str, Any]:
        reason = None if ending is None else ending.finish_reason
        choice: dict[str, Any] = {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}
        if ending is not None and ending.logprobs is not None:
            choice["logprobs_of_choices"] = ending.logprobs
        reply = {**common, "model": name, "choices": [] if only_usage else [choice]}
        return reply if ending is None else {**reply, "usage": _usage(ending)}

    return shape


def _usage(ending: Ending) -> dict[str, int]:
    prompt, new = ending.prompt_tokens, ending.new_tokens
    return {"prompt_tokens": prompt, "completion_tokens": new, "total_tokens": prompt + new}


def _error(error: HTTPError) -> dict[str, Any]:
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    return {"error": {"message": str(error), "type": kind, "param": error.field, "code": error.status}}
