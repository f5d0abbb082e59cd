"""Captions as the harness counts them: per picture, by domain, and on request."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from eval_mm.explain import explain
from eval_mm.kinds import caption
from eval_mm.metrics import java, ptb
from eval_mm.run import run
from eval_mm.schema import Context, Image, ModelInfo, Prediction, Sample, Score
from tests.eval_mm.support import ScriptedModel, write_data

CONTEXT = Context(ModelInfo("m"))


def samples(*domains: str) -> list[Sample]:
    return [
        Sample(str(n), (Image(f"{n}.png"),), "", target=("a dog",), metadata={"domain": name} if name else {})
        for n, name in enumerate(domains)
    ]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Gets an entry for every start of the tokeniser."""
    programs: list[str] = []

    def counting(program: str, arguments: Sequence[str], text: str) -> str:
        programs.append(program)
        return java.run_java(program, arguments, text)

    monkeypatch.setattr(ptb, "run_java", counting)
    return programs


def test_one_scoring_tokenises_once(started: list[str]) -> None:
    """CIDEr and every further metric started Java for the same captions: 4 times for 3 metrics on request."""
    rows = [replace(row, target=("a dog, scored once", "dogs")) for row in samples("", "")]
    answers = [Prediction(row.id, "A dog that is scored once.") for row in rows]
    scores = caption.score_cider(rows, answers, CONTEXT)
    for name in ("bleu", "rouge_l"):
        caption.ON_REQUEST[name](rows, scores, CONTEXT)
    assert len(started) == 2, "the references and the captions"


def test_explaining_tokenises_once(started: list[str], tmp_path: Path) -> None:
    """Of one caption under two protocols Java was started 8 times, 4 s before the first line."""
    rows = [
        {"id": name, "image": "pictures/1.png", "captions": ["A man, explained.", "..."]} for name in "cd"
    ]
    data = write_data(tmp_path / "data", rows, "nocaps_val")
    run(ScriptedModel(lambda request: " A man explained"), ["nocaps_val"], data, out=tmp_path / "run")
    started.clear()
    shown = explain(tmp_path / "run", "c")
    assert shown.count("PTB tokens: 'a man explained'") == 4
    assert shown.count("PTB tokens: ''") == 2
    assert len(started) <= 3, "the references, the captions, and those of this picture"


def test_cider_and_its_domains() -> None:
    """CIDEr x 100 over all pictures, and over those of each domain the data names."""
    scores = [Score(value, "a dog", "") for value in (0.1, 0.2, 0.6)]
    found = caption.metrics(samples("in-domain", "out-domain", "in-domain"), scores)
    assert {name: metric.value for name, metric in found.items()} == {
        "cider": pytest.approx(300),
        "cider/in-domain": pytest.approx(350),
        "cider/out-domain": pytest.approx(200),
    }
    assert list(caption.metrics(samples("", "", ""), scores)) == ["cider"]


def test_the_figure_of_a_split_is_not_the_mean_of_its_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """METEOR of a split comes from sums: 17.36 on real captions whose pictures' mean is 17.89."""

    def extra(name: str, texts: Sequence[str], references: object, cache: Path | None) -> object:
        return {"meteor": (0.17, [0.1, 0.4]), "bleu_1": (0.5, None)}

    monkeypatch.setattr("eval_mm.metrics.caption.extra_scores", extra)
    found = caption.ON_REQUEST["meteor"](samples("", ""), [Score(0.1, "a dog", "")] * 2, CONTEXT)
    assert found["meteor"].value == pytest.approx(17)
    assert found["meteor"].stderr == pytest.approx(15)
    assert found["meteor"].ci95 is not None
    assert 0 <= found["meteor"].ci95[0] < 17 < found["meteor"].ci95[1] <= 100
    assert (found["bleu_1"].value, found["bleu_1"].stderr) == (50, None)
