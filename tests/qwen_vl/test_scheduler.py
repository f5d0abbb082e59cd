"""Decisions without tensors: who shares, who begins, who waits, and that nothing leaks."""

import random
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vl.budget import STEP, Limits
from qwen_vl.queries import Query
from qwen_vl.rows import MAX_FAMILY, MAX_SUFFIX, MIN_SHARED_TEXT, NOWHERE, Row, Step
from qwen_vl.scheduler import MAX_TAILS, Scheduler

START, QUERIES = 900, 3
SPAN = (START, 902, 902, 902, 901)
ROOMY = Limits(slots=8, step_tokens=1000, cache_tokens=100_000)


def scheduler(limits: Limits = ROOMY, trained: int = 10_000) -> Scheduler:
    return Scheduler(limits, lambda length: 1.0 if length <= trained else 3.0, START, QUERIES)


def about(picture: Hashable, *text: int, **limits: object) -> Query:
    return Query((picture, text), (*SPAN, *text), (picture,), **limits)  # type: ignore[arg-type]


def accept(row: Row) -> None:
    """Another token, or one that was known before the row began again."""
    if row.known == len(row.answer):
        row.answer.append(0)
    row.known += 1


def run(plans: Scheduler, lengths: dict[Hashable, int] | None = None, steps: int = 10_000) -> list[Row]:
    """Steps until all is done; rows answer with as many tokens as `lengths` says, or one."""
    done: list[Row] = []
    for _ in range(steps):
        if plans.is_idle:
            return done
        step = plans.plan(lambda key: True)
        done += step.hopeless
        plans.began(step)
        ended = [row for row in step.starts if row.options]
        for row in plans.active:
            accept(row)
            if len(row.answer) >= (lengths or {}).get(row.query.id, 1):
                ended.append(row)
        plans.finish(ended)
        done += ended
        plans.check()
    raise AssertionError("the scheduler does not come to an end")


def first_step(plans: Scheduler, *queries: Query) -> Step:
    for query in queries:
        plans.add(query)
    plans.close()
    return plans.plan(lambda key: True)


def test_a_prefix_is_what_the_questions_of_a_picture_share() -> None:
    """Picture and leading words once; each row keeps at least one token of its own."""
    step = first_step(scheduler(), about("a", 1, 2, 3), about("a", 1, 2), about("a", 1, 2, 9, 9))
    (family,) = step.prefixes
    assert family.length == len(SPAN) + 1
    assert [row.suffix for row in step.starts] == [(2, 3), (2,), (2, 9, 9)]
    assert [row.slot for row in step.starts] == [0, 1, 2]


def test_two_pictures_with_one_question_share_nothing() -> None:
    """The ids are the same; a key made of ids alone would answer about the first picture twice."""
    step = first_step(scheduler(), about("a", 1, 2), about("b", 1, 2))
    assert [family.images for family in step.prefixes] == [("a",), ("b",)]
    assert len({row.family.block for row in step.starts}) == 2


def test_prompts_of_another_stretch_share_nothing() -> None:
    """Beyond the trained length keys depend on the length of the whole prompt."""
    plans = scheduler(trained=len(SPAN) + 3)
    step = first_step(
        plans, about("a", 1), about("a", 1, 2, 3), about("a", 1, 2, 3, 4), about("a", 1, 2, 3, 5)
    )
    assert [(family.alpha, family.length - len(SPAN)) for family in step.prefixes] == [(1.0, 0), (3.0, 3)]
    options = about("b", 1, 2, 3, options=((1,), (1, 2), (3,)))
    rows = first_step(scheduler(trained=len(SPAN) + 3), options).starts
    assert [(row.family.alpha, row.options) for row in rows] == [(1.0, (0, 2)), (3.0, (1,))]


def test_texts_without_pictures() -> None:
    """A long instruction is shared, a few common words are not worth a block, and long rests stay apart."""
    head = tuple(range(MIN_SHARED_TEXT))
    shared = [Query(number, (*head, 500 + number), max_new_tokens=1) for number in range(3)]
    (family,) = first_step(scheduler(), *shared).prefixes
    assert family.length == MIN_SHARED_TEXT
    short = [Query(number, (*head[:-1], 500 + number), max_new_tokens=1) for number in range(3)]
    assert len(first_step(scheduler(), *short).prefixes) == 3
    rest = tuple(range(1000, 1000 + MAX_SUFFIX))
    long = [Query(number, (*head, number, *rest), max_new_tokens=1) for number in range(2)]
    step = first_step(scheduler(), *long)
    assert [len(row.suffix) for row in step.starts][:1] == [1]


def test_a_large_family_is_cut() -> None:
    """One picture with endless questions must not keep everything waiting for its end."""
    plans = scheduler()
    for number in range(MAX_FAMILY + 5):
        assert plans.has_room
        plans.add(about("a", number))
    assert [len(family.waiting) for family in plans.families] == [MAX_FAMILY, 5]


def test_slots_are_refilled_at_once() -> None:
    """A row that is done leaves its slot to the next in the very next step, while others go on."""
    plans = scheduler(Limits(2, 1000, 100_000))
    step = first_step(plans, *(about("a", number) for number in range(4)))
    plans.began(step)
    first, second = plans.active
    for row in (first, second):
        accept(row)
    assert plans.finish([first]) == [(1, 0)]
    assert (second.slot, first.slot) == (0, NOWHERE)
    step = plans.plan(lambda key: True)
    assert [row.slot for row in step.starts] == [1]
    assert step.active == [second]
    assert not step.prefixes, "the prefix is read once"


def test_moves_are_made_at_once() -> None:
    """A row that moves twice while holes are filled must be copied from where it was first."""
    plans = scheduler()
    plans.began(first_step(plans, *(about("a", number) for number in range(6))))
    rows = list(plans.active)
    moves = plans.finish([rows[0], rows[2], rows[4]])
    kept = [rows[1], rows[3], rows[5]]
    before = {id(row): rows.index(row) for row in kept}
    assert sorted(row.slot for row in kept) == [0, 1, 2]
    assert {(before[id(row)], row.slot) for row in kept if before[id(row)] != row.slot} == set(moves)


def test_who_waits_for_a_picture() -> None:
    """Nothing begins without its features, and nothing overtakes."""
    plans = scheduler()
    for query in (about("a", 1), about("b", 1), about("c", 1)):
        plans.add(query)
    plans.close()
    assert list(plans.images_ahead()) == ["a", "b", "c"]
    assert [row.query.images for row in plans.plan(lambda key: key != "b").starts] == [("a",)]


def test_options_keep_no_slot() -> None:
    """They are read in one pass, and their first pass is their last."""
    plans = scheduler(Limits(3, 1000, 100_000))
    options = ((1,), (2, 3), (4, 5, 6))
    step = first_step(plans, *(about("a", number, options=options) for number in range(3)))
    assert [row.slot for row in step.starts] == [NOWHERE] * 3
    assert step.starts[0].num_tokens == 1 + 0 + 1 + 2


def test_many_options_are_several_rows() -> None:
    """Scores of options in one row are a square: a thousand of them took longer than one after another."""
    plans = scheduler()
    long = tuple(range(2 * MAX_TAILS))
    options = (*(((1, 2, 3),) * MAX_TAILS), long, *(((1,),) * 500))
    step = first_step(plans, about("a", 1, options=options))
    assert [sum(map(len, row.tails())) for row in step.starts] == [MAX_TAILS, MAX_TAILS, len(long) - 1, 0]
    assert [number for row in step.starts for number in row.options] == list(range(len(options)))
    assert len(step.prefixes) == 1


def test_a_step_is_bounded() -> None:
    """New tokens of one pass stay below the limit, except where one row alone has more."""
    plans = scheduler(Limits(8, 20, 100_000))
    step = first_step(plans, *(about(number, *range(6)) for number in range(4)))
    assert len(step.starts) == 1
    assert step.num_tokens == len(SPAN) + 6


class Asked(NamedTuple):
    """A query of a random stream: pictures, words, options, length of the answer."""

    pictures: tuple[int, ...]
    words: tuple[int, ...]
    options: tuple[tuple[int, ...], ...]
    length: int

    def query(self, number: int) -> Query:
        ids = (*(token for _ in self.pictures for token in SPAN), *self.words)
        return Query(number, ids, self.pictures, self.options, 0, self.length)

    @property
    def end(self) -> int:
        """Tokens of prompt and answer that must be in the cache at once."""
        return len(self.pictures) * len(SPAN) + len(self.words) + (0 if self.options else self.length - 1)


ASKED = st.builds(
    Asked,
    st.lists(st.integers(0, 2), max_size=2).map(tuple),
    st.lists(st.integers(0, 2), min_size=1, max_size=40).map(tuple),
    st.sampled_from([(), (), ((1,), (2, 3)), ((1, 2, 3, 4),)]),
    st.integers(1, 40),
)
ROUNDING = 2 * (STEP - 1)
"""Slots and blocks grow in steps, so a row alone may need so many tokens more than it has."""


def answer_all(plans: Scheduler, stream: Sequence[Asked], rng: random.Random) -> tuple[set[int], set[int]]:
    """Who is answered and who is hopeless: queries come while others run, pictures become ready and are
    forgotten, steps run out of memory, some rows leave.
    """
    waiting = list(enumerate(stream))[::-1]
    rows: dict[int, int] = {}
    ended: list[int] = []
    hopeless: list[int] = []
    there: set[Hashable] = set()
    for _ in range(20_000):
        if not waiting and plans.is_idle:
            assert sorted(ended + hopeless) == sorted(n for n, count in rows.items() for _ in range(count))
            assert not plans.blocks
            return set(ended), set(hopeless)
        while waiting and plans.has_room and rng.random() < 0.7:
            number, asked = waiting.pop()
            rows[number] = plans.add(asked.query(number))
        if not waiting or rng.random() < 0.3:
            plans.close()
        there |= {key for key in plans.images_ahead() if rng.random() < 0.6}
        there -= {0, 1, 2} - set(plans.images_ahead())
        step = plans.plan(there.__contains__)
        hopeless += [row.query.id for row in step.hopeless]  # type: ignore[misc]
        if rng.random() < 0.1:
            plans.restart(step)
            continue
        plans.began(step)
        done = [row for row in step.starts if row.options]
        for row in plans.active:
            accept(row)
            if row.known == len(row.answer) >= row.query.max_new_tokens:
                done.append(row)
        plans.finish(done)
        ended += [row.query.id for row in done]  # type: ignore[misc]
        plans.check()
    raise AssertionError("the scheduler does not come to an end")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(ASKED, min_size=1, max_size=25),
    st.sampled_from([1, 2, 7, 64]),
    st.sampled_from([1, 30, 500]),
    st.sampled_from([0, 3, 40, 2000]),
    st.sampled_from([12, 10_000]),
    st.integers(0, 2**32).map(random.Random),
)
def test_whatever_fits_alone_is_answered(
    stream: list[Asked], slots: int, step_tokens: int, more: int, trained: int, rng: random.Random
) -> None:
    """A row was given up because of its neighbours, or of holes that others had left among the blocks; or
    rows took turns to throw each other out for ever.
    """
    cache_tokens = max(asked.end for asked in stream) + ROUNDING + more
    plans = scheduler(Limits(slots, step_tokens, cache_tokens), trained=trained)
    assert answer_all(plans, stream, rng) == (set(range(len(stream))), set())


@settings(max_examples=100, deadline=None)
@given(
    st.lists(ASKED, min_size=1, max_size=25),
    st.sampled_from([1, 3, 64]),
    st.sampled_from([20, 40, 60]),
    st.sampled_from([1, 10_000]),
    st.integers(0, 2**32).map(random.Random),
)
def test_only_what_does_not_fit_alone_is_given_up(
    stream: list[Asked], slots: int, cache_tokens: int, less: int, rng: random.Random
) -> None:
    """It ends, without taking an innocent row with it; and rows alone may use what all together may not."""
    plans = scheduler(Limits(slots, 100, cache_tokens))
    plans.limits = plans.limits._replace(cache_tokens=min(less, cache_tokens))
    answered, hopeless = answer_all(plans, stream, rng)
    writing = {number for number, asked in enumerate(stream) if not asked.options}  # options are not kept
    assert all(stream[number].end <= cache_tokens for number in answered & writing)
    assert all(stream[number].end + ROUNDING > cache_tokens for number in hopeless)


def test_a_row_that_outgrows_the_cache_is_handed_out() -> None:
    """It was lost where a prefix that nobody used was let go in the same step."""
    plans = scheduler(Limits(1, 1000, 2 * STEP))
    plans.add(about("a", 1, 2))
    plans.add(about("a", 1, *range(3, 40)))
    plans.close()
    assert len(run(plans, {("a", (1, 2)): 19})) == 2


def test_everything_begins_again() -> None:
    """After running out of memory in the middle of a step rows wait again, in order, their answers kept."""
    plans = scheduler(Limits(3, 1000, 100_000))
    plans.began(first_step(plans, *(about("a", number) for number in range(2)), about("b", 5), about("c", 6)))
    for row in plans.active:
        accept(row)
    plans.finish([plans.active[0]])
    step = plans.plan(lambda key: True)
    assert step.starts
    plans.restart(step)
    plans.check()
    assert not plans.active
    assert not plans.blocks
    assert plans.num_waiting == 3
    assert sorted(row.query.ids[-1] for row in run(plans)) == [1, 5, 6]
