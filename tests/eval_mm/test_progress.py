"""The progress line."""

from types import SimpleNamespace

import pytest
import tqdm.std

from eval_mm import progress
from eval_mm.progress import Progress


def test_the_line_says_what_is_done_and_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    """A run of a night is judged by this line: what is stored is no speed, errors are seen at once."""
    with Progress(200, 50, wanted=True) as bar:
        bar.show("vqav2_val (2 of 3)", 120, 3, "process 5 with 1.2/s")
    shown = capsys.readouterr().err
    for said in ("vqav2_val (2 of 3)", "120/200", "errors=3", "slowest=process 5 with 1.2/s"):
        assert said in shown
    with Progress(200, 50, wanted=False) as bar:
        bar.show("x", 120, 3)
    assert capsys.readouterr().err == ""


def test_a_clock_that_is_set_back_stops_no_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After an hour back it stood still for an hour and ended with a time left of minus 41 minutes."""
    now = iter(range(2_000_000_000, 0, -3600))
    monkeypatch.setattr(tqdm.std, "time", lambda: next(now))
    monkeypatch.setattr(progress, "LOG", 0.0)
    with Progress(200, 50, wanted=True) as bar:
        bar.show("vqav2_val", 120, 0)
        shown = capsys.readouterr().err
        assert "120/200" in shown
        assert "[00:00<00:0" in shown


def test_an_error_stands_on_a_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error of a run that ended before its first answer stood behind the bar, every fourth time."""
    monkeypatch.setattr(tqdm.std, "time", lambda: 1_795_203_107.123_456_7)
    for tick in range(1, 40):
        clock = SimpleNamespace(monotonic=lambda tick=tick: 1000.1 + tick * 0.013)
        monkeypatch.setattr(progress, "time", clock)  # the bar's alone: servers of other tests wait by theirs
        with Progress(200, 0, wanted=True):
            pass
        assert capsys.readouterr().err.endswith("\n"), tick
