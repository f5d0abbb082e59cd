"""Numbers of a journal made by hand, and what two judgings have in common."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import touchstone
from eval_mm.data import Row
from eval_mm.errors import UserError
from eval_mm.schema import Metric
from eval_mm.tasks import get
from eval_mm.tasks.touchstone import DIMENSIONS, dimensions_of, parts_of, place_of
from tests.touchstone.support import journal, rows, write_run
from touchstone.agreement import compare, ranks, spearman
from touchstone.answered import read_run
from touchstone.journal import Journal, Judgement
from touchstone.journal import read as read_journal
from touchstone.judging import conclude, read_judged, result
from touchstone.prompts import OURS
from touchstone.replies import read
from touchstone.settings import Settings

JUDGE = Settings("m", OURS)
Given = Mapping[tuple[str, int], tuple[float, float] | None]
"""By question and order: the answer's score and the reference's; None where no reply could be read."""

HAND: Given = {
    ("0", 1): (6, 9),
    ("0", 2): (8, 8),
    ("1", 1): (3, 7),
    ("1", 2): (5, 9),
    ("2", 1): (10, 8),
    ("2", 2): (9, 8),
    ("3", 1): (4, 10),
    ("3", 2): None,
}
"""Questions 0 and 2 show one picture, 1 and 3 another."""


def write_journal(run: Path, given: Given, judge: Settings = JUDGE) -> None:
    (answered,) = read_run(run)
    with Journal(answered.journal(judge.hash)) as file:
        for item in answered.items:
            for order in (1, 2):
                if (item.sample.id, order) in given:
                    answer, reference = given[item.sample.id, order] or (None, None)
                    key = item.key(judge, order)
                    file.append(Judgement(item.sample.id, order, key, answer, reference, "by hand"))


def metrics_of(tmp_path: Path, given: Given) -> dict[str, Metric]:
    run = write_run(tmp_path, 4, pictures=2)
    write_journal(run, given)
    (answered,) = read_run(run)
    return conclude(answered, JUDGE).result.metrics


def test_by_hand(tmp_path: Path) -> None:
    """Guards every number: the mean over judgements of both orders x 100, bounds, parts, bias, errors."""
    found = {name: metric.value for name, metric in metrics_of(tmp_path, HAND).items()}
    total = 6 + 8 + 3 + 5 + 10 + 9 + 4
    assert found["touchstone_score"] == pytest.approx(100 * total / 7)
    assert found["touchstone_score/lower"] == pytest.approx(100 * (total + 1) / 8)
    assert found["touchstone_score/upper"] == pytest.approx(100 * (total + 10) / 8)
    assert found["touchstone_score/reference"] == pytest.approx(100 * (9 + 8 + 7 + 9 + 8 + 8 + 10) / 7)
    assert found["touchstone_score/dimension=basic description"] == pytest.approx(100 * (6 + 8 + 10 + 9) / 4)
    assert found["touchstone_score/dimension=recognition"] == pytest.approx(100 * total / 7)
    assert found["touchstone_score/task=object"] == pytest.approx(100 * (3 + 5 + 4) / 3)
    # question 0: the reference wins, then neither; 1: the reference twice; 2: the answer twice
    assert found["touchstone_score/same_winner"] == pytest.approx(100 * 2 / 3)
    assert found["touchstone_score/order_gap"] == pytest.approx((2 + 2 + 1) / 3)
    # first shown less second: order 1 shows the reference first
    # question 3 has one order only: its answers' own difference is no bias
    bias = [9 - 6, 8 - 8, 7 - 3, 5 - 9, 8 - 10, 9 - 8]
    assert found["touchstone_score/position_bias"] == pytest.approx(sum(bias) / 6)


def test_the_error_is_clustered_by_picture(tmp_path: Path) -> None:
    """Guards the error bar: two orders and all questions of a picture are no independent measurements."""
    metric = metrics_of(tmp_path, HAND)["touchstone_score"]
    mean = (6 + 8 + 3 + 5 + 10 + 9 + 4) / 7
    sums = [6 + 8 + 10 + 9 - 4 * mean, 3 + 5 + 4 - 3 * mean]
    stderr = 100 * math.sqrt(2 / 1 * sum(one * one for one in sums)) / 7
    assert metric.stderr == pytest.approx(stderr)
    assert metric.ci95 is not None
    assert 100 <= metric.ci95[0] < metric.value < metric.ci95[1] <= 1000


def test_missing_ones_shift_the_bounds_only(tmp_path: Path) -> None:
    """Guards against a missing judgement that counts 0: the score is that of the others, the bounds widen."""
    whole = {place: scores or (4, 10) for place, scores in HAND.items()}
    few: Given = {place: None if place[0] in "13" else scores for place, scores in whole.items()}
    first, second = metrics_of(tmp_path / "a", whole), metrics_of(tmp_path / "b", few)
    assert first["touchstone_score/lower"] == first["touchstone_score/upper"]
    assert first["touchstone_score/lower"].value == pytest.approx(first["touchstone_score"].value)
    assert second["touchstone_score"].value == pytest.approx(100 * (6 + 8 + 10 + 9) / 4)
    assert second["touchstone_score/lower"].value == pytest.approx(100 * (33 + 4) / 8)
    assert second["touchstone_score/upper"].value == pytest.approx(100 * (33 + 40) / 8)


def test_what_a_result_says(tmp_path: Path) -> None:
    """Guards against mixing: judge and prompt are the scorer's name, and what is missing is counted."""
    run = write_run(tmp_path, 4, pictures=2)
    write_journal(run, HAND)
    (answered,) = read_run(run)
    result = conclude(answered, JUDGE).result
    judge = result.config["judge"]
    assert result.score_protocol == f"judge-{JUDGE.hash}"
    assert (judge["judgements"], judge["unreadable"], judge["not_asked"]) == (7, 1, 0)
    assert judge["prompt_sha256"] == OURS.sha256
    assert not result.complete, "4 of 908 questions"
    assert (run / f"touchstone_en/result.judge-{JUDGE.hash}.json").is_file()
    assert json.loads((run / "touchstone_en/result.json").read_text())["metrics"] == {}, "the run's own stays"
    others = {Settings("n", OURS).hash, Settings("m", OURS, None).hash, Settings("m", OURS, repeat=1).hash}
    assert len(others | {JUDGE.hash}) == 4


def test_what_is_missing_is_not_complete(tmp_path: Path) -> None:
    """Guards a leaderboard: a judgement that could not be read leaves bounds and no complete result."""
    run = write_run(tmp_path, 4, pictures=2)
    write_journal(run, HAND)
    (answered,) = read_run(run)
    stored = answered.stored
    asked = replace(stored.asked, model=replace(stored.asked.model, demo=False))
    task = replace(stored.task, num_samples=4)
    whole = replace(answered, stored=replace(stored, asked=asked, task=task))
    judged = read_judged(answered, JUDGE)
    assert not result(whole, judged, JUDGE).complete
    said = Judgement("3", 2, "k", 4, 10, "4 10")
    filled = [*judged[:3], replace(judged[3], judgements=(judged[3].judgements[0], said))]
    assert result(whole, filled, JUDGE).complete


def test_another_answer_is_judged_anew(tmp_path: Path) -> None:
    """Guards against an old judgement of an answer that is no longer the model's."""
    run = write_run(tmp_path, 2)
    touchstone.judge(run, "stub", data=tmp_path / "data")
    assert len(journal(run)) == 4
    touchstone.judge(run, "stub", data=tmp_path / "data")
    assert len(journal(run)) == 4
    (tmp_path / "run/touchstone_en/predictions.rank0.jsonl").unlink()
    (tmp_path / "run/manifest.json").unlink()
    write_run(tmp_path, 2, answers={"1": "Something else entirely"})
    (verdict,) = touchstone.judge(run, "stub", data=tmp_path / "data")
    assert len(journal(run)) == 6
    assert verdict.result.config["judge"]["judgements"] == 4


def test_an_answer_that_failed_is_no_score(tmp_path: Path) -> None:
    """Guards a model that fell over: not 0, not left out without a word, and the bounds show it."""
    run = write_run(tmp_path, 3)
    path = run / "touchstone_en/predictions.rank0.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1] |= {"text": "", "error": "out of memory"}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (verdict,) = touchstone.judge(run, "stub", data=tmp_path / "data")
    assert verdict.result.num_errors == 1
    assert verdict.num_unasked == 0
    assert verdict.result.config["judge"]["judgements"] == 4
    found = verdict.result.metrics
    assert found["touchstone_score/lower"].value < found["touchstone_score"].value


def test_lines_that_are_no_judgement(tmp_path: Path) -> None:
    """Guards against a journal that was edited: what is no judgement is made again."""
    path = tmp_path / "x.jsonl"
    good = {"id": "1", "order": 1, "key": "k", "answer": 5.0, "reference": 6.0, "reply": "5 6"}
    bad: list[Any] = [
        {**good, "order": 3},
        {**good, "answer": 0},
        {**good, "reference": None},
        {"id": 1},
        [],
        7,
    ]
    lines = [json.dumps(line) for line in [*bad, good]] + ["{", json.dumps({**good, "id": "torn"})]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert list(read_journal(path)) == [("1", 1, "k")]
    with Journal(path) as file:
        assert file.get("1", 1, "k") is not None
        with pytest.raises(UserError, match="judged by another process"):
            Journal(path)


@pytest.mark.parametrize(
    ("reply", "scores"),
    [
        ("7 8\nGood.", (7, 8)),
        ("  7.5  8.25 \nGood.", (7.5, 8.25)),
        ("\n\n7, 8\n", (7, 8)),
        ("7\t8", (7, 8)),
        ("10 1\r\nx", (10, 1)),
        ("7 8 9\nx", None),
        ("7\n8", None),
        ("7/10 8/10", None),
        ("Answer 1: 7 8", None),
        ("0 8", None),
        ("7 11", None),
        ("-7 8", None),
        ("7 8.", None),
        ("٧ ٨", None),
        ("1e1 8", None),
        ("", None),
        ("Reasons first.\n7 8", None),
    ],
)
def test_replies(reply: str, scores: tuple[float, float] | None) -> None:
    """Guards against numbers picked out of prose: two from 1 to 10 on the first line, or missing."""
    found = read(reply)
    assert (found and (found.first, found.second)) == scores


def test_the_parts_of_the_benchmark() -> None:
    """Guards the table: 5 dimensions, 27 sub-tasks, and a row that counts in each of its categories."""
    assert [len(dimension.parts) for dimension in DIMENSIONS] == [2, 9, 7, 5, 4]
    for label, place in {
        "Celebrity Recognition": ("recognition", "celebrity"),
        "Visual Comprehension Ability": ("comprehension", None),
        "multi-image": ("multi-image", None),
        "OCR": ("recognition", "text"),
        "movie_tv": ("recognition", "movie/TV"),
    }.items():
        assert place_of(label) == place
    assert place_of("taste") is None


def test_a_row_counts_in_each_category() -> None:
    """Guards several categories with blanks around them, one twice, and one that the table does not know."""
    row = rows(1)[0] | {"category": "Text, celebrity ,text,taste", "task_name": "meme"}
    sample = get("touchstone_en").to_sample(Row(row, Path("x.jsonl"), 1))
    assert dimensions_of(sample) == ("recognition",)
    assert parts_of(sample) == ("text", "celebrity", "taste", "meme")


def test_labels_of_another_table(tmp_path: Path) -> None:
    """Guards against rows that drop out of every dimension because their labels are spelt otherwise."""
    run = write_run(tmp_path, 3, changes={"category": "Cat 9", "task_name": "taste"})
    (verdict,) = touchstone.judge(run, "stub", data=tmp_path / "data")
    assert [name for name in verdict.result.metrics if "=" in name] == [
        "touchstone_score/dimension=other",
        "touchstone_score/task=Cat 9",
        "touchstone_score/task=taste",
    ]


def test_rank_correlation() -> None:
    """Guards ties: the values are those of scipy.stats.spearmanr."""
    assert ranks([3, 1, 3, 2]) == [3.5, 1, 3.5, 2]
    assert spearman([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 2, 2, 4, 5], [2, 1, 3, 3, 5]) == pytest.approx(0.7631578947368421)
    assert spearman([1, 1, 1], [1, 2, 3]) is None
    assert spearman([1], [2]) is None


def test_agreement(tmp_path: Path) -> None:
    """Guards the drift check: the same answers only, means of both orders, the farthest apart first."""
    run = write_run(tmp_path, 4, pictures=2)
    other = Settings("m", OURS, repeat=1)
    write_journal(run, HAND)
    write_journal(run, {**HAND, ("1", 1): (9, 9), ("2", 2): (1, 8), ("3", 1): None}, other)
    (answered,) = read_run(run)
    found = compare(read_judged(answered, JUDGE), read_judged(answered, other))
    assert [(pair.first, pair.second) for pair in found.pairs] == [(7, 7), (4, 7), (9.5, 5.5)]
    assert found.difference.value == pytest.approx((0 + 3 - 4) / 3)
    assert [pair.one.sample.id for pair in found.disagreements] == ["2", "1"]
    assert found.not_shared == 1, "question 3 has no order that both could read"
    elsewhere = write_run(tmp_path / "b", 4, pictures=2, answers={"0": "Other"})
    write_journal(elsewhere, HAND)
    second = read_judged(read_run(elsewhere)[0], JUDGE)
    assert compare(read_judged(answered, JUDGE), second).other_answers == 1


def test_agreement_is_over_the_same_orders(tmp_path: Path) -> None:
    """Guards against position bias that poses as drift: an order that one run lacks counts in neither."""
    run = write_run(tmp_path, 4, pictures=2)
    other = Settings("m", OURS, repeat=1)
    write_journal(run, HAND)
    write_journal(run, {**HAND, ("1", 1): None, ("0", 2): None, ("2", 1): None, ("2", 2): None}, other)
    (answered,) = read_run(run)
    first, second = read_judged(answered, JUDGE), read_judged(answered, other)
    found = compare(first, second)
    assert [(pair.first, pair.second) for pair in found.pairs] == [(6, 6), (5, 5), (4, 4)]
    assert found.not_shared == 1
    assert compare(first[:2], second).not_shared == 2, "questions that one run lacks are left out too"
