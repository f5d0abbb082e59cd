"""Paired differences against scipy, textbooks, and what cannot be concluded."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval_mm.paired import Paired, holm, paired
from eval_mm.stats import Units
from tests.eval_mm import simulated

FIRST = (61.0, 70.0, 55.0, 83.0, 42.0, 77.0, 65.0, 90.0)
SECOND = (66.0, 69.0, 60.0, 88.0, 50.0, 75.0, 71.0, 93.0)


def of(p: float | None) -> Paired:
    return Paired(0.0, 1.0, 1.0, p=p, p_holm=p)


def answers(gained: int, lost: int, alike: int) -> Paired:
    """Runs that differ on so many pictures."""
    first = [0.0] * gained + [100.0] * (lost + alike)
    second = [100.0] * gained + [0.0] * lost + [100.0] * alike
    pictures = range(len(first))
    return paired(Units(first, pictures), Units(second, pictures))


def test_one_question_per_picture_is_the_paired_t_test() -> None:
    """As ttest_rel of scipy 1.17 and its interval; taken as two samples, p would be 0.63."""
    found = paired(Units(FIRST, range(8)), Units(SECOND, range(8)))
    assert found.difference == pytest.approx(3.625)
    assert found.p == pytest.approx(0.02104509471903453, rel=1e-7)
    assert found.ci95 == pytest.approx((0.7310941849381289, 6.518905815061871))
    assert found.better == 1


def test_runs_the_other_way_round() -> None:
    """The same evidence for the other run."""
    one = paired(Units(FIRST, range(8)), Units(SECOND, range(8)))
    other = paired(Units(SECOND, range(8)), Units(FIRST, range(8)))
    assert other.difference == -one.difference
    assert (other.p, other.stderr, other.detectable) == (one.p, one.stderr, one.detectable)
    assert other.better == -1


@given(st.lists(st.tuples(st.sampled_from([0.0, 30.0, 100 / 3, 100.0]), st.integers(0, 4)), min_size=1))
def test_a_run_and_itself_do_not_differ(rows: list[tuple[float, int]]) -> None:
    """Neither a division by zero nor a rounding error that becomes a difference without spread."""
    units = Units([value for value, _ in rows], [picture for _, picture in rows])
    found = paired(units, dataclasses.replace(units, values=list(units.values)))
    assert found.difference == 0
    assert found.better == 0
    if len(set(units.clusters)) > 1:
        assert (found.p, found.stderr, found.ci95, found.detectable) == (1.0, 0.0, (0.0, 0.0), None)


def test_one_picture_proves_nothing() -> None:
    """A single cluster has no spread to measure."""
    found = paired(Units([0.0, 0.0], ["a", "a"]), Units([100.0, 100.0], ["a", "a"]))
    assert (found.difference, found.stderr, found.p, found.better) == (100.0, None, None, 0)


@pytest.mark.parametrize(("gained", "p"), [(1, 1.0), (3, 0.25), (5, 0.0625)])
def test_a_few_answers_gained_and_none_lost_prove_nothing(gained: int, p: float) -> None:
    """Student's t alone calls 5 of 500 gained and none lost a difference, at p = 0.025; a sign test does not.

    The interval must say the same.
    """
    found = answers(gained, 0, 500 - gained)
    assert found.p == max(p, found.p or 0.0)
    assert found.better == 0
    assert found.ci95 is not None
    assert found.ci95[0] <= 0


def test_all_pictures_alike_are_no_certainty() -> None:
    """Three of three gained: no spread, so t would be infinite; all that can be said is 2 / 2^3."""
    found = answers(3, 0, 0)
    assert (found.difference, found.stderr, found.ci95, found.p) == (100.0, 0.0, None, 0.25)


def test_many_answers_gained_are_shown() -> None:
    """McNemar's test of 40 against 15 has p = 0.0007; a test that never rejects would pass all the others."""
    found = answers(40, 15, 445)
    assert found.p == pytest.approx(0.0007, abs=0.0002)
    assert found.better == 1
    assert found.ci95 is not None
    assert found.ci95[0] > 0


def test_an_interval_stays_on_the_scale() -> None:
    """A difference of more than 100 points there cannot be."""
    interval = answers(11, 0, 1).ci95
    assert interval is not None
    assert interval[1] == 100


def test_what_both_find_hard_cancels() -> None:
    """Paired, a difference of 4 points shows that is far within the error of either run."""
    random = np.random.default_rng(3)
    hard = 100.0 * (random.random(400) < 0.5)
    better = np.where((hard == 0) & (random.random(400) < 0.06), 100.0, hard)
    found = paired(Units(hard.tolist(), range(400)), Units(better.tolist(), range(400)))
    assert found.difference < 5
    assert found.p is not None
    assert found.p < 0.001


def test_holm_on_the_textbooks_example() -> None:
    """Of 0.01, 0.04, 0.03, 0.005 the first and the last are kept; a later p is never less than an earlier.

    As multipletests of statsmodels 0.14 with method="holm".
    """
    corrected = [one.p_holm for one in holm([of(p) for p in (0.01, 0.04, 0.03, 0.005)])]
    assert corrected == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_out_what_has_no_p_value() -> None:
    """A task of one picture is no chance to be fooled, and p never is above 1."""
    corrected = [one.p_holm for one in holm([of(0.02), of(None), of(0.9)])]
    assert corrected == pytest.approx([0.04, None, 0.9])
    assert holm([]) == []


def test_the_detectable_difference_is_shown_in_four_of_five_tries() -> None:
    """A power of 80 %: without the part of the second quantile it would be a coin's."""
    random = np.random.default_rng(5)
    spread = 60.0
    sizes = [paired_normal(random, 0.0, spread).detectable for _ in range(20)]
    effect = float(np.mean([size for size in sizes if size is not None]))
    shown = [paired_normal(random, effect, spread).better for _ in range(1_000)]
    assert sum(one == 1 for one in shown) / len(shown) == pytest.approx(0.80, abs=0.04)


@pytest.mark.parametrize("gained", range(1, 6))
def test_no_difference_is_detectable_that_the_guard_forbids(gained: int) -> None:
    """Where one of 500 pictures differs, three errors are 3 pictures, which never show a difference."""
    detectable = answers(gained, 0, 500 - gained).detectable
    assert detectable is not None
    assert detectable >= 100 * 6 / 500 - 1e-9
    assert answers(6, 0, 494).better == 1
    assert answers(5, 0, 495).better == 0


def test_what_five_pictures_could_show_is_not_stated() -> None:
    """No difference of five pictures is shown, however great: a figure there would promise one."""
    assert answers(2, 1, 2).detectable is None


def paired_normal(random: np.random.Generator, effect: float, spread: float) -> Paired:
    """40 pictures with a difference of `effect` on the average."""
    apart = random.normal(effect, spread, 40)
    return paired(Units([0.0] * 40, range(40)), Units(apart.tolist(), range(40)))


@pytest.mark.parametrize(
    "pair",
    [simulated.equal_runs(20), simulated.equal_runs(100), simulated.hardly_differing_runs(300, 0.05)],
    ids=["20 pictures", "100 pictures", "few differences"],
)
def test_equal_runs_are_rarely_called_different(pair: simulated.Pair) -> None:
    """Taken question by question instead of picture by picture, every tenth pair would be."""
    assert simulated.called_different(pair, 1_000, seed=11) <= 0.065
