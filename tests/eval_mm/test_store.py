"""The run folder: keys, locks, whole files."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from eval_mm.data import Selection
from eval_mm.errors import DataError, UserError
from eval_mm.files import write_all, write_text
from eval_mm.schema import Image, Mark, ModelInfo, Request
from eval_mm.store import Keys, RunFolder, TaskEntry, asked_key, put_aside, read_json

REQUEST = Request("1", (Image("a.png"), Mark("<ref>"), "a cat", Mark("</ref>")), max_new_tokens=28)
VARIANTS = {
    "text": replace(REQUEST, prompt=(Image("a.png"), Mark("<ref>"), "a dog", Mark("</ref>"))),
    "a mark as text": replace(REQUEST, prompt=(Image("a.png"), "<ref>", "a cat", Mark("</ref>"))),
    "text cut elsewhere": replace(
        REQUEST, prompt=(Image("a.png"), Mark("<ref>"), "a c", "at", Mark("</ref>"))
    ),
    "picture elsewhere": replace(REQUEST, prompt=(Mark("<ref>"), "a cat", Mark("</ref>"), Image("a.png"))),
    "limit": replace(REQUEST, max_new_tokens=29),
    "minimum": replace(REQUEST, min_new_tokens=1),
    "chat": replace(REQUEST, chat=True),
    "choices": replace(REQUEST, choices=(" A", " B")),
    "stop": replace(REQUEST, stop=("\n",)),
}


@pytest.mark.parametrize("change", VARIANTS)
def test_any_change_of_the_question_changes_the_key(change: str) -> None:
    """A stale answer to another prompt or limit must never be reused."""
    assert asked_key(VARIANTS[change], "f") != asked_key(REQUEST, "f")


def test_the_key_knows_model_and_picture_but_not_path_and_id(tmp_path: Path) -> None:
    """Another checkpoint or picture is another question; a moved folder is the same one."""
    for name, content in {"a": b"1", "b": b"1", "c": b"2"}.items():
        (tmp_path / name).write_bytes(content)

    def key(name: str, fingerprint: str = "f", sample: str = "1") -> str:
        return Keys(fingerprint).of(replace(REQUEST, id=sample, prompt=(Image(str(tmp_path / name)), "x")))

    assert key("a") == key("b") == key("a", sample="2")
    assert len({key("a"), key("c"), key("a", "g"), key("missing")}) == 4


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    """Two writers would tear each other's journal and manifest: the second is told so."""
    with RunFolder.create(tmp_path), pytest.raises(UserError, match="another run is writing there"):
        RunFolder.create(tmp_path)
    with RunFolder.create(tmp_path):
        pass


def test_a_folder_put_aside_keeps_everything(tmp_path: Path) -> None:
    """Starting over must never cost an answer: each earlier folder is kept under a name of its own."""
    out = tmp_path / "run"
    assert put_aside(out) is None
    for number in (1, 2):
        with RunFolder.create(out) as folder:
            (folder.path / "answer").write_text(str(number))
            with pytest.raises(UserError, match="another run is writing there"):
                put_aside(out)
        assert put_aside(out) == tmp_path / f"run.{number}"
    assert [(tmp_path / f"run.{number}/answer").read_text() for number in (1, 2)] == ["1", "2"]
    assert not out.exists()


def test_files_are_whole_or_absent(tmp_path: Path) -> None:
    """A failed write leaves the old files and no litter."""
    file = tmp_path / "result.json"
    write_text(file, "old")
    with pytest.raises(OSError):  # noqa: PT011 (which one is the system's affair)
        write_all({file: b"new", tmp_path / "result.json" / "below a file": b"x"})
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    """One line that says what to name instead."""
    with pytest.raises(UserError, match="no run folder"):
        RunFolder.open(tmp_path)
    with pytest.raises(UserError, match="no run folder"):
        RunFolder.open(tmp_path / "absent")
    for text in ("{", "[]", "{}", '{"tasks": 3}', '{"tasks": {}, "runs": 3}'):
        (tmp_path / "manifest.json").write_text(text)
        for opening in (RunFolder.open, RunFolder.create):
            with pytest.raises(DataError, match=r"manifest\.json.*run again"):
                opening(tmp_path)


def test_an_out_folder_that_cannot_be(tmp_path: Path) -> None:
    """A file in the way is said before a model is loaded."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write there"):
        RunFolder.create(tmp_path / "file" / "run")


def test_a_task_entry_survives_the_manifest() -> None:
    """What is needed to score again comes back as it was; another shape is a clear error."""
    entry = TaskEntry("demo", "abc", Selection(sample=3, seed=4), "qwen-vl", 1, ModelInfo("m", demo=True))
    stored = json.loads(json.dumps(entry.to_json()))
    assert TaskEntry.from_json(stored, Path("run")) == entry
    model = stored["model"]
    for broken in (
        {},
        None,
        {**stored, "extra": 1},
        {**stored, "protocol": None},
        {**stored, "selection": {"limit": "x"}},
        {**stored, "model": {"x": 1}},
        {**stored, "model": {**model, "name": 5}},
        {**stored, "model": {**model, "box_scale": "x"}},
    ):
        with pytest.raises(DataError, match=r"manifest\.json"):
            TaskEntry.from_json(broken, Path("run"))


def test_read_json_complains_in_one_line(tmp_path: Path) -> None:
    """A missing file is an error of the user, not a traceback."""
    with pytest.raises(UserError, match="cannot be read"):
        read_json(tmp_path / "absent.json")
