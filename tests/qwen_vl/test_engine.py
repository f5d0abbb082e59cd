"""The engine beside the oracle: the same answers, whatever the neighbours, the order and the slots."""

import random
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from qwen_vl.config import QwenVLConfig
from qwen_vl.engine import Answer, Engine, Query
from qwen_vl.generate import generate, mean_logprobs
from qwen_vl.model import QwenVL, random_model
from qwen_vl.prompt import TokenPrompt
from qwen_vl.sampling import Sampling, stream
from tests.qwen_vl.golden import GENERATE_BATCH, GENERATE_SINGLE, Arrays, images, prompts, until_stop

SLOTS = (1, 2, 7, 64)


@pytest.fixture(scope="module")
def small(tiny_config: QwenVLConfig) -> QwenVL:
    return random_model(tiny_config, seed=5, std=0.2)


def picture(key: Hashable) -> Tensor:
    """Pixels that are a function of the key."""
    return torch.randn(3, 28, 28, generator=torch.Generator().manual_seed(hash(key) % 1000))


def span(config: QwenVLConfig) -> tuple[int, ...]:
    start = config.visual.image_start_id
    return (start, *[start + 2] * config.visual.n_queries, start + 1)


def oracle(model: QwenVL, query: Query) -> Answer:
    """What generate.py says, alone."""
    prompt = TokenPrompt(query.ids, tuple(picture(key) for key in query.images))
    if query.options:
        return Answer(query.id, logprobs=tuple(mean_logprobs(model, prompt, query.options)))
    (found,) = generate(
        model,
        [prompt],
        min_new_tokens=query.min_new_tokens,
        max_new_tokens=query.max_new_tokens,
        stop_ids=query.stop_ids,
    )
    return Answer(query.id, found.ids, found.stop_reason)


def ask(model: QwenVL, queries: Sequence[Query], **options: Any) -> dict[Hashable, Answer]:
    engine = Engine(model, check=True, **options)
    answers = list(engine.answer(queries, picture))
    assert len(answers) == len({answer.id for answer in answers}) == len(queries)
    return {answer.id: answer for answer in answers}


def assert_same(found: dict[Hashable, Answer], expected: Sequence[Answer], tolerance: float = 1e-5) -> None:
    for answer in expected:
        other = found[answer.id]
        assert other.error is None
        assert (other.ids, other.stop_reason) == (answer.ids, answer.stop_reason), answer.id
        if answer.logprobs is not None:
            assert other.logprobs == pytest.approx(answer.logprobs, abs=tolerance)


def mixture(config: QwenVLConfig, seed: int, longest: int = 20, most_images: int = 3) -> list[Query]:
    """Questions of every kind: the same words about other pictures, the same picture and other words, several
    pictures, none, texts that begin alike, options of several lengths, early stops, forbidden stops.
    """
    rng = random.Random(seed)
    words = [tuple(rng.choices(range(440), k=rng.randrange(1, longest))) for _ in range(4)]
    queries: list[Query] = []
    for group in range(rng.randrange(3, 7)):
        keys = tuple(rng.randrange(5) for _ in range(rng.choice([0, 1, 1, 1, 2, most_images])))
        head = rng.choice([(), words[0]])
        for number in range(rng.randrange(1, 6)):
            ids = (*head, *(token for _ in keys for token in span(config)), *rng.choice(words)[: 1 + number])
            ids += tuple(rng.choices(range(440), k=rng.randrange(4)))
            kind = rng.randrange(4)
            limits: dict[str, Any] = {"max_new_tokens": rng.randrange(0, 9)}
            if kind == 0:
                several = [rng.choices(range(440), k=rng.randrange(1, 4)) for _ in range(rng.randrange(1, 5))]
                limits = {"options": tuple(tuple(option) for option in several)}
            elif kind == 1:
                stops = frozenset(rng.choices(range(440), k=60))
                limits = {"min_new_tokens": 2, "max_new_tokens": 12, "stop_ids": stops}
            queries.append(Query(f"{group}/{number}", ids, keys, **limits))
    return queries


@pytest.mark.parametrize("slots", SLOTS)
@pytest.mark.parametrize("seed", range(4))
def test_random_mixtures(small: QwenVL, seed: int, slots: int) -> None:
    """Token for token, with neighbours of every kind, in the order asked and shuffled."""
    queries = mixture(small.config, seed)
    expected = [oracle(small, query) for query in queries]
    assert_same(ask(small, queries, slots=slots), expected)
    random.Random(seed).shuffle(queries)
    assert_same(ask(small, queries, slots=slots, step_tokens=40, vision_batch=2), expected)


@pytest.mark.parametrize("slots", [2, 64])
@pytest.mark.parametrize("seed", [20, 21])
def test_beyond_the_trained_length(small: QwenVL, seed: int, slots: int) -> None:
    """The rotary stretch follows the length of the prompt there: only prompts of one stretch share keys, and
    an option that crosses the border has another stretch than the one beside it.
    """
    config = small.config
    queries = mixture(config, seed, longest=70, most_images=5)
    border = Query("border", tuple(range(config.seq_length)), options=((1,), (1, 2), (3, 4, 5)))
    near = [
        Query(("near", length), (*span(config), *range(length)), (3,), max_new_tokens=4)
        for length in (52, 53, 54, 120)
    ]
    queries += [border, *near]
    assert sum(len(query.ids) > config.seq_length for query in queries) >= 2
    assert_same(ask(small, queries, slots=slots), [oracle(small, query) for query in queries])


@pytest.mark.parametrize("slots", [*(pytest.param(slots, marks=pytest.mark.slow) for slots in (1, 2)), 7, 64])
def test_recorded_answers(
    reference: Path,
    tiny: Callable[[str], QwenVL],
    cases: dict[str, Any],
    arrays: Arrays,
    slots: int,
) -> None:
    """Every recorded answer, all of a model together: captions, boxes, few shots, several pictures."""
    names = [name for name in GENERATE_SINGLE + GENERATE_BATCH if name != "f_seq128_generate_batch"]
    for config in sorted({cases[name]["config"] for name in names}):
        model = tiny(config)
        queries: list[Query] = []
        pixels: dict[Hashable, Tensor] = {}
        expected = {}
        for name in names:
            case = cases[name]
            if case["config"] != config:
                continue
            arguments, recorded = case["args"], arrays(name)
            for number, prompt in enumerate(prompts(reference, case, recorded)):
                keys = tuple((name, number, place) for place in range(len(prompt.images)))
                pixels |= dict(zip(keys, prompt.images, strict=True))
                stop = arguments["eos_token_id"]
                limits = (arguments["min_new_tokens"], arguments["max_new_tokens"], frozenset([stop]))
                queries.append(Query((name, number), prompt.ids, keys, (), *limits))
                expected[name, number] = until_stop(recorded["new_ids"][number].tolist(), stop)
        random.Random(slots).shuffle(queries)
        answers = Engine(model, slots=slots, check=True).answer(queries, pixels.__getitem__)
        assert {answer.id: answer.ids for answer in answers} == expected


@pytest.mark.parametrize("config", ["s112", "seq128"])
def test_recorded_prompts_with_options(
    reference: Path, tiny: Callable[[str], QwenVL], cases: dict[str, Any], arrays: Arrays, config: str
) -> None:
    """Scores of options behind real prompts, all together; beyond the trained length in one config."""
    model, rng = tiny(config), random.Random(0)
    queries: list[Query] = []
    pixels: dict[Hashable, Tensor] = {}
    expected = []
    for name in GENERATE_SINGLE + GENERATE_BATCH:
        if cases[name]["config"] == config:
            for number, prompt in enumerate(prompts(reference, cases[name], arrays(name))):
                keys = tuple((name, number, place) for place in range(len(prompt.images)))
                pixels |= dict(zip(keys, prompt.images, strict=True))
                options = tuple(tuple(rng.choices(range(50_000), k=count)) for count in (1, 4))
                queries.append(Query((name, number), prompt.ids, keys, options))
                scores = tuple(mean_logprobs(model, prompt, options))
                expected.append(Answer((name, number), logprobs=scores))
    answers = {answer.id: answer for answer in Engine(model).answer(queries, pixels.__getitem__)}
    assert len(answers) == len(queries) > 3
    assert_same(answers, expected)


def test_recorded_chats_and_choices(
    reference: Path, tiny: Callable[[str], QwenVL], cases: dict[str, Any], arrays: Arrays
) -> None:
    """Chat contexts hold path bytes in their image rows; ranked options are one pass over a forked prompt."""
    model, queries, expected = tiny("s112"), [], {}
    pixels: dict[Hashable, Tensor] = {}
    for name in ("d_chat_first", "d_chat_history", "d_chat_injection", "d_chat_text"):
        case = cases[name]
        shown = images(reference, case["raw_text"], 112)
        pixels |= {(name, place): image for place, image in enumerate(shown)}
        keys = tuple((name, place) for place in range(len(shown)))
        ids = tuple(case["context_tokens"])
        queries.append(Query(name, ids, keys, max_new_tokens=len(case["new_ids"])))
        expected[name] = tuple(case["new_ids"])
    case, recorded = cases["h_multiple_choice"], arrays("h_multiple_choice")
    pixels["choice"] = images(reference, case["prompt"], 112)[0]
    rows = [ids[mask == 1].tolist() for ids, mask in zip(recorded["tokens"], recorded["mask"], strict=True)]
    for number, (row, option) in enumerate(zip(rows, case["target_tokens"], strict=True)):
        queries.append(
            Query(number, tuple(row[: -len(option)]), ("choice",), tuple(map(tuple, case["target_tokens"])))
        )
    answers = {answer.id: answer for answer in Engine(model).answer(queries, pixels.__getitem__)}
    for name, ids in expected.items():
        assert answers[name].ids == ids
    for number, loss in enumerate(case["option_loss"]):
        logprobs = answers[number].logprobs
        assert logprobs is not None
        assert logprobs[number] == pytest.approx(-loss, abs=1e-4)


def test_two_pictures_one_question(small: QwenVL) -> None:
    """A prefix cache keyed on token ids answers about the first picture twice."""
    ids = (*span(small.config), 10, 20, 30)
    queries = [Query(key, ids, (key,), max_new_tokens=8) for key in range(6)]
    found = ask(small, queries)
    assert_same(found, [oracle(small, query) for query in queries])
    assert len({found[key].ids for key in range(6)}) == 6


def test_one_bad_picture(small: QwenVL) -> None:
    """A picture that cannot be read, or of another size, fails its own questions alone, each of them once."""
    config = small.config

    def load(key: Hashable) -> Tensor:
        if key == "torn":
            raise OSError("torn.png cannot be read")
        return torch.zeros(3, 14, 14) if key == "small" else picture(key)

    keys: list[Hashable] = [1, "torn", 2, "torn", "small", 1]
    queries = [
        Query(number, (*span(config), 5, number), (key,), max_new_tokens=5) for number, key in enumerate(keys)
    ]
    options = ((1,), (2, 3))
    queries.append(Query("ranked", (*span(config), 5), ("torn",), options))
    queries.append(Query("two", (*span(config), *span(config), 5), (1, "torn"), options))
    answers = list(Engine(small, slots=2, check=True).answer(queries, load))
    found = {answer.id: answer for answer in answers}
    assert len(answers) == len(found) == len(queries)
    for number in (1, 3, "ranked", "two"):
        assert isinstance(found[number].error, OSError)
    assert isinstance(found[4].error, ValueError)
    assert_same(found, [oracle(small, queries[number]) for number in (0, 2, 5)])


def test_numbers_that_are_none(small: QwenVL) -> None:
    """NaN in the slot or block of one row must not reach who uses the place next: zero weight times NaN is
    NaN.
    """
    config = small.config

    def load(key: Hashable) -> Tensor:
        pixels = picture(key)
        return pixels * torch.nan if str(key).startswith("broken") else pixels

    queries = []
    for number in range(12):
        key: Hashable = f"broken {number}" if number % 3 == 1 else number
        limits: dict[str, Any] = {"max_new_tokens": 3 + number}
        if number % 4 == 1:
            limits = {"options": ((7, 8), (9,))}
        for words in ((1, 2), (3,)):
            queries.append(Query((number, words), (*span(config), *words), (key,), **limits))
    for slots in (1, 3, 64):
        found = {answer.id: answer for answer in Engine(small, slots=slots, check=True).answer(queries, load)}
        broken = {query.id for query in queries if str(query.images[0]).startswith("broken")}
        assert {name for name, answer in found.items() if answer.error is not None} == broken
        assert all(isinstance(found[name].error, FloatingPointError) for name in broken)
        assert_same(found, [oracle(small, query) for query in queries if query.id not in broken])


def test_what_cannot_be_asked(small: QwenVL) -> None:
    """Errors of the caller are errors of that query, and not of everything beside it."""
    config = small.config
    first, *rest, end = span(config)
    wrong = {
        "empty": Query("empty", ()),
        "no picture": Query("no picture", (*span(config), 1)),
        "no option": Query("no option", (1, 2), options=((1,), ())),
        "no end": Query("no end", (1, *span(config)[:-1]), (1,)),
        "late end": Query("late end", (first, 5, *rest, end), (1,)),
        "no such id": Query("no such id", (1, config.vocab_size)),
        "below zero": Query("below zero", (1, -1)),
        "no such option": Query("no such option", (1,), options=((config.vocab_size,),)),
        "no such stop": Query(
            "no such stop", (1,), min_new_tokens=1, stop_ids=frozenset([config.vocab_size])
        ),
        "more than most": Query("more than most", (1,), min_new_tokens=3, max_new_tokens=2),
        "negative": Query("negative", (1,), max_new_tokens=-1),
        "no seed": Query("no seed", (1,), sampling=Sampling(1.0), seed=-1),
        "no number": Query("no number", (1, "a")),  # type: ignore[arg-type]
        "no whole id": Query("no whole id", (1, 2.5)),  # type: ignore[arg-type]
        "no whole option": Query("no whole option", (1,), options=((1.5,),)),  # type: ignore[arg-type]
        "no whole limit": Query("no whole limit", (1,), max_new_tokens=2.5),  # type: ignore[arg-type]
        "no key": Query("no key", (*span(config), 1), ([],)),  # type: ignore[arg-type]
    }
    good = [
        Query("good", (1, 2), max_new_tokens=2),
        Query("shown", (*span(config), 1), (1,), max_new_tokens=2),
        Query("nothing wanted", (1, 2), max_new_tokens=0),
    ]
    found = ask(small, [good[0], *wrong.values(), *good[1:]])
    assert {name for name, answer in found.items() if answer.error} == wrong.keys()
    assert all(isinstance(found[name].error, (ValueError, TypeError)) for name in wrong)
    assert_same(found, [oracle(small, query) for query in good[:2]])
    assert found["nothing wanted"].stop_reason == "length"


def test_one_query_asked_twice(small: QwenVL) -> None:
    """The same object may come again while the first is on its way: what is known of its options was kept by
    the object, and the second had none.
    """
    query = Query("same", (*span(small.config), 1, 2), (1,), ((1,), (2, 3)))
    beyond = Query("beyond", tuple(range(small.config.seq_length)), (), ((1,), (1, 2)))
    answers = list(Engine(small, check=True).answer([query, beyond, query, beyond, query], picture))
    assert len(answers) == 5
    for answer in answers:
        assert_same({answer.id: answer}, [oracle(small, query if answer.id == "same" else beyond)])


def test_an_answer_among_the_queries(small: QwenVL) -> None:
    """What did not become a query is handed on at its place, before the next is asked for."""
    refused = Answer("refused", error=KeyError("x"))
    answers = Engine(small, check=True).answer([Query("a", (1,)), refused, Query("b", (2,))], picture)
    assert next(answers) is refused
    assert {answer.id for answer in answers} == {"a", "b"}


def test_a_long_prompt_is_said_once(small: QwenVL, caplog: pytest.LogCaptureFixture) -> None:
    """Beyond the trained length answers get worse without a word; a word for each is too many."""
    ask(small, [Query(number, tuple(range(60 + number)), max_new_tokens=1) for number in range(8)])
    assert caplog.text.count("the model was trained on 64") == 1


def test_queries_are_pulled_when_there_is_room(small: QwenVL) -> None:
    """An engine that reads all questions first cannot share them with other processes, and keeps them all."""
    pulled = 0

    def stream() -> Iterator[Query]:
        nonlocal pulled
        for number in range(2000):
            pulled += 1
            yield Query(number, (number % 400, 1), max_new_tokens=1)

    answers = Engine(small, slots=4).answer(stream(), picture)
    next(answers)
    assert pulled < 200
    answers.close()


def test_nothing_waits_at_this_moment(small: QwenVL) -> None:
    """A server that has no further question yet must get the answers to those it has: None begins them, and
    while something is in flight steps go on.
    """
    waiting: list[Query | None] = [
        Query(0, (*span(small.config), 1), (1,), max_new_tokens=3),
        None,
        Query(1, (*span(small.config), 1, 2), (1,), max_new_tokens=2),
        Query(2, (5, 6), max_new_tokens=9),
        None,
    ]
    asked: list[int] = []
    found: dict[Hashable, Answer] = {}

    def queries() -> Iterator[Query | None]:
        for query in waiting:
            if query is not None:
                asked.append(len(found))
            yield query
        while len(found) < 3:
            yield None
        yield Query(3, (7, 8), max_new_tokens=1)

    for answer in Engine(small, check=True).answer(queries(), picture):
        found[answer.id] = answer
    assert_same(found, [oracle(small, query) for query in waiting if query is not None])
    assert found[3].ids


def watched(query: Query, told: dict[Hashable, list[int]]) -> Query:
    return replace(query, on_token=told.setdefault(query.id, []).append)


def test_who_is_cancelled(small: QwenVL) -> None:
    """Nobody computes for a client that left: waiting, decoding or ranked, it ends at the next step, once,
    with what was said so far, and its slot goes to the next.
    """
    told: dict[Hashable, list[int]] = {}
    span_ids = span(small.config)
    queries = [
        watched(Query(number, (*span_ids, number), (number // 2 % 3,), max_new_tokens=9), told)
        for number in range(12)
    ]
    queries.append(Query("ranked", (*span_ids, 1), (0,), ((1,), (2, 3))))
    expected = [oracle(small, query) for query in queries]

    def gone(number: int) -> Callable[[], bool]:
        return lambda: len(told[0]) >= 4 or number == 11

    cancelled = {1, 2, 10, 11, "ranked"}
    queries = [
        replace(query, cancelled=gone(query.id if isinstance(query.id, int) else 11))
        if query.id in cancelled
        else query
        for query in queries
    ]
    for slots in (2, 7):
        for ids in told.values():
            ids.clear()
        found = ask(small, queries, slots=slots)
        assert {name for name, answer in found.items() if answer.stop_reason == "cancelled"} >= {11, "ranked"}
        for name in cancelled:
            if found[name].stop_reason == "cancelled":
                assert found[name].error is None
                assert found[name].logprobs is None
                assert len(found[name].ids) < 9
                assert found[name].ids == tuple(told.get(name, ()))
        assert found[1].stop_reason == "cancelled"
        assert len(found[1].ids) >= 3, "it began with 0, about the same picture"
        assert_same(found, [answer for answer in expected if answer.id not in cancelled])


@pytest.mark.parametrize(("slots", "cache_tokens"), [(1, 10_000), (7, 10_000), (64, 60)])
def test_drawn_answers(small: QwenVL, slots: int, cache_tokens: int) -> None:
    """Each row draws by its own seed: the same alone, beside others, and after it began again."""
    queries, expected = [], {}
    sampling = Sampling(temperature=0.8, top_p=0.9, top_k=50)
    for number in range(12):
        query = Query(
            number, (*span(small.config), number % 3), (number % 2,), (), 0, 9, frozenset(range(40))
        )
        if number % 4:
            query = replace(query, sampling=sampling, seed=number // 3)
        queries.append(query)
        expected[number] = tuple(
            stream(
                small,
                TokenPrompt(query.ids, (picture(number % 2),)),
                max_new_tokens=9,
                stop_ids=query.stop_ids,
                sampling=query.sampling or Sampling(),
                seed=query.seed,
            )
        )
    found = ask(small, queries, slots=slots, cache_tokens=cache_tokens)
    assert {name: answer.ids for name, answer in found.items()} == expected
    assert len(set(expected.values())) > 6


def test_a_picture_is_encoded_once(small: QwenVL) -> None:
    """Per question it would cost more than everything else."""
    read: list[Hashable] = []

    def load(key: Hashable) -> Tensor:
        read.append(key)
        return picture(key)

    queries = [
        Query((key, number), (*span(small.config), number), (key,), max_new_tokens=2)
        for key in range(5)
        for number in range(9)
    ]
    engine = Engine(small, slots=2)
    assert len(list(engine.answer(queries, load))) == 45
    assert sorted(read, key=str) == [0, 1, 2, 3, 4]
    assert engine.work.images == 5
    # Behind the pictures: each is read once, with what its questions have in common.
    assert engine.work.prefilled == 5 * (len(span(small.config)) + 9)
