"""The engine where memory is short: what begins again, what is halved, who is given up."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from qwen_vl import choosing
from qwen_vl.config import QwenVLConfig
from qwen_vl.engine import Answer, Engine, Query
from qwen_vl.kv_cache import Store
from qwen_vl.model import QwenVL, random_model
from qwen_vl.packed import PackedPass
from qwen_vl.pictures import Pictures
from qwen_vl.rows import Row, Step
from qwen_vl.sampling import Sampling
from tests.qwen_vl.test_engine import ask, assert_same, mixture, oracle, picture, span, watched


@pytest.fixture(scope="module")
def small(tiny_config: QwenVLConfig) -> QwenVL:
    return random_model(tiny_config, seed=5, std=0.2)


class Begun(NamedTuple):
    """A row that began again: how much it had said, and what of it is read at once."""

    said: int
    known: int


@pytest.fixture
def begun_again(monkeypatch: pytest.MonkeyPatch) -> list[Begun]:
    """Every time a row has begun again."""
    rows: list[Begun] = []
    begin_again = Row.begin_again

    def counted(row: Row, slowly: bool) -> None:
        begin_again(row, slowly)
        rows.append(Begun(len(row.answer), row.known))

    monkeypatch.setattr(Row, "begin_again", counted)
    return rows


class Short:
    """Memory that does not suffice above a size, by the trouble it makes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.troubles = 0

    def fail(self, error: Exception) -> None:
        self.troubles += 1
        raise error

    def passes(self, too_large: Callable[[Step], bool]) -> None:
        """Passes of such steps fail."""

        def small_pass(model: QwenVL, step: Step, *rest: Any) -> PackedPass:
            if too_large(step):
                self.fail(torch.OutOfMemoryError("pretended: the pass is too large"))
            return PackedPass(model, step, *rest)

        self._patch.setattr("qwen_vl.engine.PackedPass", small_pass)

    def pictures(self, most: int) -> None:
        """More pictures at once fail."""
        encode = QwenVL.encode_images

        def small_encode(model: QwenVL, pixels: Tensor) -> Tensor:
            if len(pixels) > most:
                self.fail(RuntimeError("DefaultCPUAllocator: can't allocate memory: pretended"))
            return encode(model, pixels)

        self._patch.setattr(QwenVL, "encode_images", small_encode)

    def cache(self, most: int) -> None:
        """Stores of more places for tokens fail."""
        resize = Store.resize

        def small_resize(store: Store, places: int, tokens: int) -> None:
            if places * tokens > most:
                self.fail(MemoryError("pretended: the cache is too large"))
            resize(store, places, tokens)

        self._patch.setattr(Store, "resize", small_resize)


def rows_of(step: Step, name: str) -> list[Row]:
    """The rows of a query in a step."""
    return [row for row in (*step.active, *step.starts) if row.query.id == name]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Short:
    return Short(monkeypatch)


def test_a_cache_that_is_too_small(small: QwenVL, begun_again: list[Begun]) -> None:
    """Rows that outgrow the budget begin again later; one that can never fit is an error, and only that."""
    queries = [
        Query(number, (*span(small.config), number, 3), (0,), max_new_tokens=20) for number in range(8)
    ]
    queries.insert(3, Query("long", tuple(range(60)), max_new_tokens=3))
    growing = Query("growing", (*span(small.config), 5), (7,), max_new_tokens=40)
    found = ask(small, [*queries, growing], cache_tokens=50)
    assert str(found["long"].error) == ("a prompt of 60 tokens: alone it takes 80 of the cache's 50")
    assert str(found["growing"].error) == (
        "a prompt of 12 tokens and 32 of its answer: alone it takes 64 of the cache's 50"
    )
    assert isinstance(found["growing"].error, MemoryError)
    assert_same(found, [oracle(small, query) for query in queries if query.id != "long"])
    assert len(begun_again) > 1


@pytest.mark.parametrize("cache_tokens", [50, 70, 90])
def test_each_token_is_told_once(small: QwenVL, begun_again: list[Begun], cache_tokens: int) -> None:
    """A row that begins again for want of memory must not say its first words twice, nor lose one; the stop
    id is not told.
    """
    told: dict[Hashable, list[int]] = {}
    queries = [
        Query(number, (*span(small.config), number, 3), (0,), max_new_tokens=20 + number)
        for number in range(8)
    ]
    expected = [oracle(small, query) for query in queries]
    queries[5] = replace(queries[5], stop_ids=frozenset([expected[5].ids[4]]))
    expected[5] = oracle(small, queries[5])
    assert_same(ask(small, [watched(query, told) for query in queries], cache_tokens=cache_tokens), expected)
    assert {name: tuple(ids) for name, ids in told.items()} == {answer.id: answer.ids for answer in expected}
    assert any(row.said for row in begun_again)


def test_a_long_answer_that_begins_again(
    small: QwenVL, begun_again: list[Begun], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit behind the prompt is fed token by token, and neither told nor chosen anew."""
    monkeypatch.setattr("qwen_vl.rows.MAX_SUFFIX", 5)
    told: dict[Hashable, list[int]] = {}
    queries = [Query(number, (number, 3), max_new_tokens=20) for number in range(4)]
    expected = [oracle(small, query) for query in queries]
    assert_same(ask(small, [watched(query, told) for query in queries], cache_tokens=70), expected)
    assert {name: tuple(ids) for name, ids in told.items()} == {answer.id: answer.ids for answer in expected}
    assert any(row.said > row.known == 4 for row in begun_again)


def test_what_fails_is_halved(small: QwenVL, short: Short, caplog: pytest.LogCaptureFixture) -> None:
    """Until it fits, and nothing else: answers stay the same, the log says so."""
    queries = mixture(small.config, seed=3)
    expected = [oracle(small, query) for query in queries]
    short.passes(lambda step: step.num_tokens > 60)
    short.pictures(1)
    engine = Engine(small, check=True)
    assert_same({answer.id: answer for answer in engine.answer(queries, picture)}, expected)
    assert engine.vision_batch == 1
    assert engine.limits.step_tokens <= 60
    assert engine.limits._replace(step_tokens=0) == engine.first_limits._replace(step_tokens=0)
    assert caplog.text.count("out of memory") == short.troubles >= 3


def test_rows_at_once_are_halved_where_none_is_new(small: QwenVL, short: Short) -> None:
    """Fewer new tokens would not help."""
    queries = [Query(number, (number, 1), max_new_tokens=9) for number in range(16)]
    expected = [oracle(small, query) for query in queries]
    short.passes(lambda step: step.num_tokens > 5)
    engine = Engine(small, check=True, step_tokens=1)
    assert_same({answer.id: answer for answer in engine.answer(queries, picture)}, expected)
    assert 1 < engine.limits.slots <= 5
    assert engine.limits.cache_tokens == engine.first_limits.cache_tokens


def test_a_cache_that_cannot_grow_is_halved(small: QwenVL, short: Short) -> None:
    """The budget was too optimistic: what fits is found, and a row alone may still have more than that."""
    queries = [Query(number, (number, 1), max_new_tokens=20) for number in range(12)]
    queries.append(Query("long", (*span(small.config), *range(100)), (1,), max_new_tokens=9))
    expected = [oracle(small, query) for query in queries]
    short.cache(130)
    engine = Engine(small, check=True)
    assert_same({answer.id: answer for answer in engine.answer(queries, picture)}, expected)
    assert engine.limits._replace(cache_tokens=0) == engine.first_limits._replace(cache_tokens=0)
    assert engine.limits.cache_tokens <= 260
    assert short.troubles < 5
    engine.limits = engine.limits._replace(cache_tokens=32)  # halved often before
    later = [replace(query, id=("later", query.id)) for query in queries[-2:]]
    assert_same(
        {answer.id: answer for answer in engine.answer(later, picture)},
        [answer._replace(id=("later", answer.id)) for answer in expected[-2:]],
    )


@pytest.mark.parametrize("place", [0, 7, 19])
def test_who_is_given_up(small: QwenVL, short: Short, place: int) -> None:
    """One row that fails alone, wherever it stands: an innocent one was given up in its stead. And the limits
    were not to blame, so they are what they were.
    """
    queries = [Query(number, (number, 1), max_new_tokens=4 + number % 5) for number in range(20)]
    queries[place] = Query("culprit", (1, 40), max_new_tokens=4)
    queries.append(Query("ranked", (3, 2), options=((1,), (2, 5))))
    expected = [oracle(small, query) for query in queries if query.id != "culprit"]
    short.passes(lambda step: rows_of(step, "culprit") != [])
    engine = Engine(small, check=True)
    found = {answer.id: answer for answer in engine.answer(queries, picture)}
    assert str(found["culprit"].error).startswith("out of memory with nothing beside it: pretended")
    assert_same(found, expected)
    assert len(found) == len(queries)
    assert engine.limits == engine.first_limits


def test_a_row_that_fails_while_it_decodes(small: QwenVL, short: Short) -> None:
    """It fits at first and fails alone with its fourth token: given up, not begun again for ever."""
    told: dict[Hashable, list[int]] = {}
    query = watched(Query("culprit", (1, 2), max_new_tokens=9), told)
    others = [Query(number, (number, 7), max_new_tokens=3) for number in range(5)]
    expected = [oracle(small, other) for other in others]
    short.passes(lambda step: any(row.known == 3 for row in rows_of(step, "culprit")))
    found = ask(small, [*others, query])
    assert isinstance(found["culprit"].error, MemoryError)
    assert len(told["culprit"]) == 3
    assert_same(found, expected)


def test_a_row_that_fails_only_with_its_answer(small: QwenVL, short: Short, begun_again: list[Begun]) -> None:
    """A row was sent back to make room, and with its answer its next first pass is larger than any before:
    where that fails, though it is alone, it goes token by token.
    """
    queries = [Query(name, (*span(small.config), 5), (1,), max_new_tokens=25) for name in ("first", "second")]
    expected = [oracle(small, query) for query in queries]
    short.passes(lambda step: step.num_tokens > 20 or any(row.known > 20 for row in rows_of(step, "first")))
    found = ask(small, queries, cache_tokens=70, step_tokens=1)
    assert isinstance(found["first"].error, MemoryError)
    assert_same(found, expected[1:])
    assert Begun(said=15, known=15) in begun_again
    assert begun_again[-1] == Begun(said=15, known=0)


def test_no_room_for_a_picture(small: QwenVL, short: Short) -> None:
    """Not even for one, and with nothing beside it: those who ask about pictures get the error, once."""
    queries = [Query(number, (number, 7), max_new_tokens=9) for number in range(5)]
    expected = [oracle(small, query) for query in queries]
    queries += [Query(("shown", number), (*span(small.config), 1), (number,)) for number in range(3)]
    short.pictures(0)
    found = ask(small, queries)
    assert {name for name, answer in found.items() if answer.error} == {("shown", n) for n in range(3)}
    assert all("nothing beside" in str(found["shown", number].error) for number in range(3))
    assert_same(found, expected)


def test_no_room_for_a_picture_beside_one_that_cannot_be_read(small: QwenVL, short: Short) -> None:
    """The want of memory was recorded of the picture that had an error already, again and again for ever."""

    def load(key: Hashable) -> Tensor:
        if key == "torn":
            raise OSError("torn.png cannot be read")
        return picture(key)

    short.pictures(0)
    query = Query(0, (*span(small.config), *span(small.config), 1), ("torn", 1))
    (answer,) = Engine(small, vision_batch=1, check=True).answer([query], load)
    assert isinstance(answer.error, OSError)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("numpy"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"),
        torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be"),
        torch.OutOfMemoryError("cuda"),
    ],
)
def test_scoring_runs_out_of_memory(small: QwenVL, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits of a whole vocabulary are the largest tensors: beyond the boundary their error ended the run."""
    queries = mixture(small.config, seed=4)
    expected = [oracle(small, query) for query in queries]
    read_off = choosing.read_off

    def small_read_off(lm_head: nn.Linear, hidden: Tensor, wanted: Any) -> Any:
        if len(hidden) > 15:
            raise error
        return read_off(lm_head, hidden, wanted)

    monkeypatch.setattr("qwen_vl.engine.read_off", small_read_off)
    assert_same(ask(small, queries), expected)


def test_another_error_is_no_want_of_memory(small: QwenVL, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the program must not look like a small machine."""

    def broken(*_: Any) -> Any:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(QwenVL, "decode", broken)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        ask(small, [Query(0, (1,))])


def test_drawn_answers_that_begin_again(small: QwenVL, short: Short, begun_again: list[Begun]) -> None:
    """What was drawn stays drawn, and the next draw is the one it would have been."""
    queries = [
        Query(number, (number, 3), max_new_tokens=9, sampling=Sampling(1.0), seed=number)
        for number in range(9)
    ]
    roomy = ask(small, queries)
    short.passes(lambda step: step.num_tokens > 4)
    assert ask(small, queries) == roomy
    assert any(row.said for row in begun_again)


def test_places_that_were_not_finite(small: QwenVL) -> None:
    """Slots and a block full of NaN, let go while further questions wait: whoever has them next has less in
    them than the rows beside, and zero weight times NaN behind its end is NaN.
    """
    start = span(small.config)

    def load(key: Hashable) -> Tensor:
        return picture(key) * (torch.nan if key == "broken" else 1.0)

    broken = [
        Query(
            ("broken", number),
            (*start, *range(100, 140), number, *range(100, 120)),
            ("broken",),
            cancelled=lambda: len(found) > 0,
        )
        for number in range(4)
    ]
    after = [
        Query("short", (*start, 1, 2), (1,), max_new_tokens=6),
        Query("long prefix", (*start, *range(300, 345)), (2,), max_new_tokens=6),
        Query("long suffix", (*start, 5, *range(200, 225)), (3,), max_new_tokens=6),
        Query("other suffix", (*start, 6, *range(200, 225)), (3,), max_new_tokens=6),
    ]
    engine = Engine(small, slots=4, step_tokens=1, check=True)  # one row begins in a step, the others wait
    found: dict[Hashable, Answer] = {}

    def queries() -> Iterator[Query | None]:
        yield from broken
        yield None
        yield from after

    for answer in engine.answer(queries(), load):
        found[answer.id] = answer
    assert isinstance(found["broken", 0].error, FloatingPointError)
    assert {found["broken", number].stop_reason for number in (1, 2, 3)} == {"cancelled"}
    assert_same(found, [oracle(small, query) for query in after])


def test_one_layer_is_held_twice(tiny_config: QwenVLConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that grows all at once takes twice its budget."""
    store = Store(tiny_config, torch.device("cpu"), torch.float32, heads_first=True)
    store.resize(4, 16)
    held: list[int] = []
    new_zeros = Tensor.new_zeros

    def counted(tensor: Tensor, *shape: Any) -> Tensor:
        made = new_zeros(tensor, *shape)
        held.append(made.numel() + sum(layer.numel() for layer in store._layers))
        return made

    monkeypatch.setattr(Tensor, "new_zeros", counted)
    store.resize(4, 32)
    layer = 2 * 4 * 32 * tiny_config.projection_size
    assert max(held) <= (tiny_config.num_hidden_layers + 1) * layer


def test_a_kept_picture_keeps_no_other(small: QwenVL) -> None:
    """A view of one picture's features holds on to the features of the whole batch."""
    pictures = Pictures(small, picture, batch=4, ahead=4, threads=1)
    try:
        pictures.look_ahead(range(4))
        with torch.inference_mode():
            while pictures.encode(range(4), wait=True):
                pass
        for key in range(4):
            features = pictures._features[key]
            assert features.untyped_storage().nbytes() == features.numel() * features.itemsize
    finally:
        pictures.close()


def test_pictures_nobody_wants_any_more(small: QwenVL) -> None:
    """Those of cancelled questions stayed among the pictures read ahead, until no other could be."""
    read: list[Hashable] = []

    def load(key: Hashable) -> Tensor:
        read.append(key)
        return picture(key)

    pictures = Pictures(small, load, batch=1, ahead=2, threads=1)
    try:
        pictures.look_ahead([1, 2])
        pictures.look_ahead([3, 4])
        with torch.inference_mode():
            assert pictures.encode([4], wait=True)
        assert {3, 4} <= set(read)
    finally:
        pictures.close()
