"""Ctrl-C and SIGTERM: what is being answered is finished and kept, and the user knows how to go on."""

import signal
import time
from pathlib import Path

import pytest

from tests.faults.support import command, end, lines, run, start, until


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_on_its_way_is_finished(tmp_path: Path, number: signal.Signals) -> None:
    """A batch of answers that is nearly done must not be thrown away with the process."""
    out = tmp_path / "run"
    process = start(command(out), PAUSE=0.1, AHEAD=7)
    until(lambda: sum(lines(out).values()) > 7, process)
    process.send_signal(number)
    code, said = end(process)
    assert code == 130, said
    assert "finishing what is being answered" in said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    answered = sum(lines(out).values())
    assert answered % 7 == 0, "part of what the model had begun was thrown away"
    code, said = run(command(out))
    assert code == 0, said
    assert set(lines(out).values()) == {1}


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """Who presses Ctrl-C twice does not want to wait for a batch; what was answered is kept even so."""
    out = tmp_path / "run"
    process = start(command(out), PAUSE=0.5, AHEAD=100)
    until(lambda: sum(lines(out).values()) > 0, process)
    process.send_signal(signal.SIGINT)
    time.sleep(1.2)  # a shorter time is taken for the same signal from two senders
    process.send_signal(signal.SIGINT)
    code, said = end(process)
    assert code == 130, said
    assert 0 < sum(lines(out).values()) < 35
    assert "Traceback" not in said


def test_a_signal_before_anything_is_asked(tmp_path: Path) -> None:
    """While the model loads there is nothing to finish: no wait, and no half-made run folder to trip over."""
    out = tmp_path / "run"
    process = start(command(out, "demo"))
    until(lambda: (out / ".lock").exists(), process)
    process.send_signal(signal.SIGTERM)
    code, said = end(process)
    assert code == 130, said
    assert "Traceback" not in said
    code, said = run(command(out))
    assert code == 0, said
