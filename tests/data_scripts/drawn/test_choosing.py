"""Lessons in choosing: the prompts of the benchmarks, letters that are right, rows with several pictures."""

import json
import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_scripts.drawn import choosing, clips, training
from data_scripts.drawn.conversations import asked, draw, picture
from data_scripts.drawn.turns import Turn
from eval_mm.kinds.choice import prompt_ranked
from eval_mm.schema import Image as ImagePart
from eval_mm.schema import Sample
from eval_mm.tasks import seedbench
from tests.data_scripts.drawn.test_demo_choices import is_true
from tests.data_scripts.support import run, tree

LISTED = re.compile(r"(?:Context: (.*))?\nQuestion: (.*)\nOptions: ((?:.|\n)*)\nAnswer:")
SEEDS = range(100_000, 100_060)


def options(turn: Turn) -> tuple[str, list[str], str] | None:
    """The question, its options and the answer's text; None for a turn without options."""
    if not (found := LISTED.fullmatch(turn.question)):
        return None
    texts = [line.split(". ", 1)[1] for line in found[3].split("\n")]
    return found[2], texts, texts["ABCDE".index(turn.answer.strip())]


def test_letters_are_right_and_other_options_wrong() -> None:
    """Guards the lessons: a letter of another option, or two options that are true."""
    letters, kinds = Counter[str](), set()
    for seed in SEEDS:
        shown = picture(seed)
        turns = choosing.about_picture(shown, random.Random(seed))
        assert len(turns) == 1 + choosing.EACH
        for turn in turns[1:]:
            found = options(turn)
            assert found is not None
            question, texts, answer = found
            assert len(set(texts)) == len(texts) >= 2
            assert [is_true(shown, question, text) for text in texts] == [text == answer for text in texts]
            letters[turn.answer] += len(texts) == 4
            kinds.add(turn.question.startswith("Context: N/A\n") + 2 * turn.question.startswith("\n"))
        question = turns[0].question.removeprefix("\n").removesuffix(" Answer:")
        assert is_true(shown, question, turns[0].answer.strip())
    assert min(letters[f" {letter}"] for letter in "ABCD") > 0.15 * letters.total()
    assert kinds == {0, 1, 2}, "hint, no hint, SEED-Bench"


def test_clips_are_asked_with_options_and_without() -> None:
    """Guards the lessons about clips likewise; their answers are tested in test_clips.py."""
    for seed in SEEDS:
        made = clips.clip(seed)
        turns = choosing.about_clip(made, random.Random(seed))
        first = {one.text: one.answer for one in clips.questions(made, random.Random(seed))}
        for turn in turns:
            found = options(turn)
            question = found[0] if found else turn.question.strip().removesuffix(" Answer:")
            assert (found[2] if found else turn.answer.strip()) == first[question]
        assert [options(turn) is None for turn in turns] == [True, True, False, False, False, False]


def test_prompts_are_those_of_the_benchmarks() -> None:
    """Guards what the lessons are for: the very texts that ScienceQA's and SEED-Bench's tasks build."""
    seen = set()
    for seed in SEEDS:
        for turn in choosing.about_picture(picture(seed), random.Random(seed))[1:]:
            found, hint = options(turn), LISTED.fullmatch(turn.question)
            assert found is not None
            assert hint is not None
            kept = {"hint": hint[1]} if hint[1] not in (None, "N/A") else {}
            sample = Sample("0", (ImagePart("a.png"),), found[0], tuple(found[1]), metadata=kept)
            build = prompt_ranked if turn.question.startswith("Context") else seedbench.prompt_ranked
            parts = build(sample)
            assert "".join(part for part in parts if isinstance(part, str)) == turn.question
            seen.add(build)
    assert len(seen) == 2


def test_a_clip_is_written_as_four_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the form of rows with several pictures, and that lessons without clips stay what they were."""
    flags = ("--scenes", 5, "--seed", 3, "--workers", 1)
    shows = ("--shows", "clip,card,scene")
    mine = ("--kinds", "clip,options,count")
    assert run(capsys, "demo-training", "--out", tmp_path / "a", *flags, *shows, *mine).code == 0
    rows = json.loads((tmp_path / "a/conversations.json").read_text("utf-8"))
    seeds = [training.scene_seed(3, index) for index in range(5)]
    names = [("clip", "card", "scene")[seed % 3] for seed in seeds]
    assert {"clip", "card"} <= set(names)
    written = {path for path in tree(tmp_path / "a") if path.endswith(".png")}
    for index, (seed, name) in enumerate(zip(seeds, names, strict=True)):
        about = [row for row in rows if row["id"].startswith(f"{seed}-")]
        paths = [training.picture_path(index, frame) for frame in (range(4) if name == "clip" else (None,))]
        assert set(paths) <= written
        if name != "clip":
            kinds = {row["id"].rpartition("-")[2] for row in about}
            assert kinds == {"options", "count"}
            continue
        assert {row["id"].rpartition("-")[2] for row in about} == {"clip"}
        for row in about:
            value = row["conversations"][0]["value"]
            assert value.startswith("\n".join(f"<img>{path}</img>" for path in paths) + "\n")
        for path, frame in zip(paths, clips.clip(seed).frames, strict=True):
            assert np.array_equal(np.asarray(Image.open(tmp_path / "a" / path)), np.asarray(draw(frame)))
    assert run(capsys, "demo-training", "--out", tmp_path / "b", *flags).code == 0
    rows = json.loads((tmp_path / "b/conversations.json").read_text("utf-8"))
    assert len(rows) == sum(len(asked(seed)[1]) for seed in seeds)
