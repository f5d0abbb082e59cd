"""Decisions without tensors: who shares, who begins, who waits, and that nothing leaks."""

import random
from collections.abc import Hashable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vl.rows import MAX_SUFFIX, NOWHERE, Limits, Query, Row, Step
from qwen_vl.scheduler import MAX_FAMILY, MIN_SHARED_TEXT, Scheduler

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


def test_options_take_no_slot() -> None:
    """They are read in one pass, and their first pass is their last."""
    plans = scheduler(Limits(1, 1000, 100_000))
    options = ((1,), (2, 3), (4, 5, 6))
    step = first_step(plans, *(about("a", number, options=options) for number in range(3)))
    assert [row.slot for row in step.starts] == [NOWHERE] * 3
    assert step.starts[0].num_tokens == 1 + 0 + 1 + 2


def test_a_step_is_bounded() -> None:
    """New tokens of one pass stay below the limit, except where one row alone has more."""
    plans = scheduler(Limits(8, 20, 100_000))
    step = first_step(plans, *(about(number, *range(6)) for number in range(4)))
    assert len(step.starts) == 1
    assert step.num_tokens == len(SPAN) + 6


@pytest.mark.parametrize(
    "query", [Query(0, ()), Query(0, SPAN), Query(0, (1,), ("a",)), Query(0, (1,), options=((),))]
)
def test_what_cannot_be_asked(query: Query) -> None:
    """Refused when it is added, and nothing of it stays."""
    plans = scheduler()
    with pytest.raises(ValueError, match=r"empty|<img>"):
        plans.add(query)
    assert plans.is_idle


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_everything_is_answered_once_and_nothing_leaks(rng: random.Random) -> None:
    """Random streams through tight and roomy caches: rows that begin again, rows that never fit."""
    limits = Limits(rng.choice([1, 2, 7, 64]), rng.choice([1, 30, 500]), rng.choice([20, 60, 200, 5000]))
    plans = scheduler(limits, trained=rng.choice([12, 10_000]))
    lengths: dict[Hashable, int] = {}
    asked: dict[Hashable, int] = {}
    for number in range(rng.randrange(1, 40)):
        pictures = tuple(rng.randrange(3) for _ in range(rng.choice([0, 1, 1, 2])))
        ids = (*(token for _ in pictures for token in SPAN), *rng.choices(range(3), k=rng.randrange(1, 9)))
        options = tuple((1,) * rng.randrange(1, 4) for _ in range(rng.choice([0, 0, 3])))
        lengths[number] = rng.randrange(1, 9)
        asked[number] = plans.add(Query(number, ids, pictures, options, 0, lengths[number]))
    plans.close()
    done = run(plans, lengths)
    assert {row.query.id for row in done} == set(asked)
    assert len(done) == sum(asked.values())
    assert plans.is_idle
    assert not plans.blocks


def test_a_row_that_outgrows_the_cache_is_handed_out() -> None:
    """It was lost where a prefix that nobody used was let go in the same step."""
    plans = scheduler(Limits(1, 1000, 12))
    plans.add(about("a", 1, 2))
    plans.add(about("a", 1, *range(3, 10)))
    plans.close()
    assert len(run(plans, {("a", (1, 2)): 9})) == 2


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
