"""From hidden rows to tokens and scores, some rows at a time."""

import pytest
import torch
from torch import Tensor, nn

from qwen_vl import choosing
from qwen_vl.choosing import Said, read_off
from qwen_vl.queries import Query
from qwen_vl.rows import Family, Ranking, Row
from qwen_vl.sampling import Sampling

WIDTH, VOCABULARY = 48, 384


@pytest.fixture
def lm_head() -> nn.Linear:
    layer = nn.Linear(WIDTH, VOCABULARY, bias=False).requires_grad_(False)
    layer.weight.copy_(numbers(VOCABULARY, WIDTH, seed=1))
    return layer


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def row(query: Query) -> Row:
    family = Family((), 1.0, query, 0, 0, len(query.ids))
    options = tuple(range(len(query.options)))
    return Row(query, family, options, Ranking() if options else None)


def wanted(*rows: Row) -> list[tuple[Row, int]]:
    return [(row, 1 + sum(map(len, row.tails()))) for row in rows]


MIXED = [
    row(Query("a", (1,))),
    row(Query("options", (1,), options=((5,), (6, 7, 8), (6, 9)))),
    row(Query("b", (1,))),
    row(Query("more", (1,), options=((3, 2, 1, 0), (383,)))),
    row(Query("c", (1,))),
]


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 256])
def test_some_rows_at_a_time(lm_head: nn.Linear, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first token of every option stands behind one hidden row, which may be of another chunk than the
    rest of the option.
    """
    monkeypatch.setattr(choosing, "CHUNK", chunk)
    pairs = wanted(*MIXED)
    assert [count for _, count in pairs] == [1, 4, 1, 4, 1]
    hidden = numbers(11, WIDTH, seed=2)
    exact = (hidden.double() @ lm_head.weight.double().T).log_softmax(-1)
    said = {one.row.query.id: one for one in read_off(lm_head, hidden, pairs)}
    for name, place in (("a", 0), ("b", 5), ("c", 10)):
        assert said[name].token == int(exact[place].argmax())
    places = {"options": [[1], [1, 2, 3], [1, 4]], "more": [[6, 7, 8, 9], [6]]}
    for number, name in ((1, "options"), (3, "more")):
        means = [
            float(exact[at, list(ids)].mean())
            for at, ids in zip(places[name], MIXED[number].query.options, strict=True)
        ]
        assert said[name].logprobs == pytest.approx(means, abs=1e-5)
    assert all(one.finite for one in said.values())


@pytest.mark.parametrize("bad", range(11))
def test_only_the_row_that_is_not_finite(lm_head: nn.Linear, bad: int) -> None:
    """One NaN must neither fail its neighbours nor pass where it stands behind a later token of an option."""
    hidden = numbers(11, WIDTH, seed=2)
    hidden[bad, 3] = torch.nan
    names = ["a"] + ["options"] * 4 + ["b"] + ["more"] * 4 + ["c"]
    said = read_off(lm_head, hidden, wanted(*MIXED))
    assert [one.row.query.id for one in said if not one.finite] == [names[bad]]


def test_log_probabilities_are_exact() -> None:
    """Rounding in the output layer by itself made those of one question differ by more than 1e-5."""
    lm_head = nn.Linear(128, 2048, bias=False).requires_grad_(False)
    lm_head.weight.copy_(numbers(2048, 128, seed=1))
    hidden = numbers(64, 128, seed=4)
    rows = [row(Query(n, (1,), options=((n,),))) for n in range(64)]
    exact = (hidden.double() @ lm_head.weight.double().T).log_softmax(-1)
    said = read_off(lm_head, hidden, wanted(*rows))
    errors = [abs(one.logprobs[0] - float(exact[n, n])) for n, one in enumerate(said)]
    assert max(errors) < 1e-5
    assert sum(errors) / len(errors) < 3e-6


def test_stop_ids_below_the_minimum_and_equal_logits() -> None:
    """Below the minimum the next likeliest is taken; of equal logits the lowest id, as by torch's argmax."""
    lm_head = nn.Linear(1, VOCABULARY, bias=False).requires_grad_(False)
    lm_head.weight.zero_()
    lm_head.weight[[200, 131, 300]] = torch.tensor([[1.0], [1.0], [2.0]])
    stop = frozenset([300])
    early = row(Query("early", (1,), min_new_tokens=1, max_new_tokens=2, stop_ids=stop))
    late = row(Query("late", (1,), max_new_tokens=2, stop_ids=stop))
    said = read_off(lm_head, torch.ones(2, 1), wanted(early, late))
    assert [one.token for one in said] == [131, 300]


def test_who_draws_gets_all_logits(lm_head: nn.Linear) -> None:
    """As a copy, since a view would hold on to the logits of all rows of the chunk; greedy rows get none."""
    drawing = row(Query("drawing", (1,), sampling=Sampling(temperature=1.0)))
    cold = row(Query("cold", (1,), sampling=Sampling(temperature=0.0)))
    hidden = numbers(3, WIDTH, seed=3)
    said: list[Said] = read_off(lm_head, hidden, wanted(MIXED[0], drawing, cold))
    assert [one.logits_V is None for one in said] == [True, False, True]
    logits_V = said[1].logits_V
    assert logits_V is not None
    assert torch.equal(logits_V, lm_head(hidden)[1])
    assert logits_V.untyped_storage().nbytes() == VOCABULARY * 4
