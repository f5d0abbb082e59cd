"""Journals: append-only files of several processes, read back as one."""

import resource
from pathlib import Path

import pytest

from eval_mm.errors import UserError
from eval_mm.journal import Journal, files, is_free, iterate_answers, line_of, read, read_answers
from eval_mm.schema import Prediction


def test_a_torn_last_line_is_dropped_and_the_next_starts_clean(tmp_path: Path) -> None:
    """A kill in mid-write leaves half a line; appending to it would spoil the next answer as well."""
    with Journal(tmp_path) as journal:
        journal.append(Prediction("1", "one"))
        journal.append(Prediction("2", "two\u2028\n"))
    file = journal.path
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"id": "3", "te')
    assert [answer.id for answer in read_answers(tmp_path)] == ["1", "2"]
    with Journal(tmp_path) as journal:
        journal.append(Prediction("3", "three"))
    assert [answer.text for answer in read_answers(tmp_path)] == ["one", "two\u2028\n", "three"]
    assert len(file.read_bytes().splitlines()) == 3 == len(whole.split(b"\n"))


def test_a_file_that_is_one_torn_line(tmp_path: Path) -> None:
    """The very first write may be the torn one, and longer than the block read from the end."""
    (tmp_path / "predictions.rank0.jsonl").write_bytes(b'{"id": "' + b"x" * 200_000)
    with Journal(tmp_path) as journal:
        journal.append(Prediction("1", "one"))
    assert read_answers(tmp_path) == [Prediction("1", "one")]


def test_spoilt_lines_are_asked_again(tmp_path: Path) -> None:
    """A power cut may leave zero bytes or half a record in the middle: no answer, and no crash."""
    with Journal(tmp_path) as journal:
        journal.append(Prediction("1", "one"))
    with journal.path.open("ab") as file:
        file.write(b'\0\0\0\n[]\n{}\n"x"\n' + b'{"id": "9"}\n')
    with Journal(tmp_path) as journal:
        journal.append(Prediction("2", "two", choice_logprobs=(-1.5, -2.0)))
    stored = read(tmp_path)
    assert [answer.id for answer in stored.answers] == ["1", "2"]
    assert stored.answers[1].choice_logprobs == (-1.5, -2.0)
    assert stored.spoilt == [f"predictions.rank0.jsonl:{line}" for line in range(2, 7)]


def test_an_answer_is_on_disk_when_append_returns(tmp_path: Path) -> None:
    """Answers in a buffer are lost with the process."""
    with Journal(tmp_path) as journal:
        journal.append(Prediction("1", "one"))
        assert read_answers(tmp_path) == [Prediction("1", "one")]


def test_half_a_surrogate_pair_is_kept(tmp_path: Path) -> None:
    """A back end may hand over text that UTF-8 cannot hold: no crash in mid-run, and the same text back."""
    with Journal(tmp_path) as journal:
        journal.append(Prediction("1", "a\ud800b"))
    assert read_answers(tmp_path)[0].text == "a\ud800b"


def test_answers_of_all_processes_are_the_oldest_first(tmp_path: Path) -> None:
    """Runs on 1, 12 and 2 processes: what was answered last must be last, whichever file it stands in."""
    for run, ranks in ((1, [0]), (2, range(12)), (3, [0, 1])):
        for rank in ranks:
            with Journal(tmp_path, rank, run) as journal:
                journal.append(Prediction("x", f"{run}/{rank}"))
    assert [path.name for path in files(tmp_path)] == [f"predictions.rank{rank}.jsonl" for rank in range(12)]
    stored = read(tmp_path)
    texts = ["1/0", *(f"2/{rank}" for rank in range(12)), "3/0", "3/1"]
    assert [answer.text for answer in stored.answers] == texts
    assert stored.last_run == 3


def test_answers_to_some_samples_are_found_by_any_id(tmp_path: Path) -> None:
    """Lines are told apart before they are read: quotes, escapes, other forms of a line must hide none."""
    names = ["1", "11", 'a"b', "a\\b", "漢\n", "\ud800", ""]
    with Journal(tmp_path) as journal:
        for name in names:
            journal.append(Prediction(name, f"to {name}"))
        journal.write(line_of(Prediction("1", "again"), 1).replace(b'{"id": "1", ', b'{ "id":"1", '))
    for name in names:
        found = [answer.text for answer in iterate_answers(tmp_path, [name]) if answer.id == name]
        assert found == [f"to {name}"] + ["again"] * (name == "1")
    assert {answer.id for answer in iterate_answers(tmp_path, ["11"])} <= {
        "11",
        'a"b',
        "a\\b",
        "漢\n",
        "\ud800",
        "1",
    }


def test_what_was_added_since_is_read_alone(tmp_path: Path) -> None:
    """Merging must not take an earlier run's answers for this one's, nor lose the line after a torn one."""
    for rank in (0, 1):
        with Journal(tmp_path, rank) as journal:
            journal.append(Prediction("old"))
    (tmp_path / "predictions.rank1.jsonl").open("ab").write(b'{"id": "torn')
    ends = read(tmp_path).ends
    for rank in (1, 2):
        with Journal(tmp_path, rank, 2) as journal:
            journal.append(Prediction(f"new{rank}"))
    assert [answer.id for answer in read(tmp_path, ends).answers] == ["new1", "new2"]


def test_journals_before_runs_were_numbered_are_read(tmp_path: Path) -> None:
    """Answers that were paid for must not be asked again because a field was added."""
    line = (
        line_of(Prediction("1", "one", "key"), 7)
        .replace(b', "run": 7', b"")
        .replace(b', "image_size": null', b"")
    )
    (tmp_path / "predictions.rank0.jsonl").write_bytes(line)
    assert read(tmp_path)[:2] == ([Prediction("1", "one", "key")], 0)


def test_one_process_writes_a_journal(tmp_path: Path) -> None:
    """A process of an earlier try that has not ended must not write between its successor's lines."""
    with Journal(tmp_path, 3) as journal:
        assert not is_free(journal.path)
        with pytest.raises(UserError, match=r"rank3\.jsonl: another process is writing there"):
            Journal(tmp_path, 3)
        with Journal(tmp_path, 4):
            pass
    assert is_free(journal.path)


def test_a_full_disk_tears_no_line(tmp_path: Path) -> None:
    """What was answered before is whole, what fits again starts on a line of its own, the file is named."""
    with Journal(tmp_path) as journal:
        journal.append(Prediction("1", "one"))
        size = journal.path.stat().st_size
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))
        try:
            with pytest.raises(OSError, match="File too large") as caught:
                journal.append(Prediction("2", "two"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert caught.value.filename == str(journal.path)
        assert journal.path.stat().st_size == size
        journal.append(Prediction("3", "three"))
    assert [answer.id for answer in read_answers(tmp_path)] == ["1", "3"]
