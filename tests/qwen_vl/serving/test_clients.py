"""The clients that people use, and many of them at once."""

import asyncio
import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from qwen_vl.session import QwenVL
from tests.qwen_vl.serving.bad import BAD
from tests.qwen_vl.serving.running import JSON, Running, chat, data_url, picture, said, serving, wait_for

QUESTION = "What colour is the bar?"


def test_the_openai_client(server: Running) -> None:
    """The client that everybody uses must understand replies, streams and errors."""
    client = openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)
    assert [model.id for model in client.models.list()] == ["demo"]
    body = chat({"url": data_url(picture())}, QUESTION)
    whole = client.chat.completions.create(**body)
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert whole.choices[0].finish_reason == "stop"
    chunks = list(client.chat.completions.create(**body, stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    answered = client.chat.completions.with_raw_response.create(**body)
    assert answered.parse().choices == whole.choices
    assert answered.headers["content-type"] == "application/json"
    assert client.models.retrieve("demo").id == "demo"
    with pytest.raises(openai.BadRequestError, match="max_tokens"):
        client.chat.completions.create(**body, max_tokens=-1)
    with pytest.raises(openai.NotFoundError, match="'other' is not served here"):
        client.chat.completions.create(**{**body, "model": "other"})


def test_a_conversation_with_the_openai_client(server: Running) -> None:
    """The reply's message goes back as it is with the next question; a stream is joined by the client."""
    client = openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)
    messages = chat({"url": data_url(picture())}, QUESTION)["messages"]
    with client.chat.completions.stream(model="demo", messages=messages, temperature=0) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    whole = client.chat.completions.create(model="demo", messages=messages, temperature=0).choices[0].message
    assert (message.role, message.content) == (whole.role, whole.content) == ("assistant", whole.content)
    asked = [*messages, whole, {"role": "user", "content": "And why?"}]
    assert client.chat.completions.create(model="demo", messages=asked, max_tokens=2).choices


def test_the_openai_client_asks_many_at_once(server: Running) -> None:
    """The asynchronous client, half of its answers streamed."""
    bodies = [chat({"url": data_url(picture(shade))}, QUESTION, max_tokens=8) for shade in range(0, 120, 15)]
    alone = [said(server.post("/v1/chat/completions", body)) for body in bodies]

    async def ask(client: openai.AsyncOpenAI, number: int) -> str:
        if number % 2:
            reply = await client.chat.completions.create(**bodies[number])
            return reply.choices[0].message.content or ""
        chunks = await client.chat.completions.create(**bodies[number], stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

    async def all_at_once() -> list[str]:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(len(bodies))))

    assert asyncio.run(all_at_once()) == alone


def test_completions_with_the_openai_client(server: Running) -> None:
    """The older page, whole and streamed."""
    client = openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)
    body: dict[str, Any] = {"model": "demo", "prompt": "The colour", "max_tokens": 6}
    body["extra_body"] = {"min_tokens": 6}
    whole = client.completions.create(**body)
    assert whole.choices[0].finish_reason == "length"
    chunks = list(client.completions.create(**body, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    assert chunks[-1].choices[0].finish_reason == "length"


def test_what_is_null_is_left_out(server: Running) -> None:
    """Clients send null for what nobody set."""
    names = ("stream", "min_tokens", "skip_special_tokens", "picture_numbers", "stop", "seed", "n", "tools")
    body = chat("x", max_tokens=2)
    plain = said(server.post("/v1/chat/completions", body))
    nothing = dict.fromkeys((*names, "stream_options", "max_completion_tokens", "user", "top_p"))
    assert said(server.post("/v1/chat/completions", body | nothing)) == plain
    neutral = {"presence_penalty": 0.0, "frequency_penalty": 0.0, "n": 1, "logit_bias": {}, "tools": []}
    assert said(server.post("/v1/chat/completions", body | neutral)) == plain


def test_many_clients_get_what_one_gets(server: Running) -> None:
    """Neighbours in the engine, pictures and streams must not mix."""
    bodies = [
        chat({"url": data_url(picture(shade))}, text, max_tokens=limit)
        for shade in range(0, 160, 20)
        for text, limit in ((QUESTION, 8), ("Describe the image in English:", 30), ("bar?", 1))
    ]
    alone = [said(server.post("/v1/chat/completions", body)) for body in bodies]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda body: said(server.post("/v1/chat/completions", body)), bodies))
    assert together == alone
    assert len(set(alone)) > 3, "the answers tell nothing apart"


def test_a_picture_that_many_ask_about_is_encoded_once(session: QwenVL) -> None:
    """Requests with the same picture share its features while they are together."""
    with serving(session) as running:
        engine = running.worker._engine
        barrier = threading.Barrier(6)

        def ask(number: int) -> str:
            barrier.wait()
            return said(
                running.post("/v1/chat/completions", chat({"url": data_url(picture())}, f"{number}?"))
            )

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(ask, range(6)))
        assert engine.work.images == 1


def test_sixty_four_clients_of_all_kinds(server: Running) -> None:
    """Long, short, cancelled and malformed at once: none brings the server down or another's answer off."""
    good = chat({"url": data_url(picture(50))}, QUESTION, max_tokens=8)
    wanted = said(server.post("/v1/chat/completions", good))

    def ask(number: int) -> None:
        kind = number % 4
        if kind == 0:
            assert said(server.post("/v1/chat/completions", good)) == wanted
        elif kind == 1:
            long = chat({"url": data_url(picture(number))}, "x", max_tokens=60, min_tokens=60)
            status, reply = server.post("/v1/chat/completions", long)
            assert (status, reply["usage"]["completion_tokens"]) == (200, 60)
        elif kind == 2:
            body, _ = bad[number // 4 % len(bad)]
            assert server.post("/v1/chat/completions", body)[0] == 400
        else:
            connection = http.client.HTTPConnection("127.0.0.1", server.port)
            body = chat("x", max_tokens=400, min_tokens=400, stream=number % 8 == 3)
            connection.request("POST", "/v1/chat/completions", json.dumps(body), JSON)
            connection.close()

    bad = list(BAD.values())
    with ThreadPoolExecutor(64) as pool:
        list(pool.map(ask, range(4 * len(bad))))
    wait_for(lambda: server.worker.num_jobs == 0)
    assert server.get("/health") == (200, {"status": "ok", "requests": 0})
