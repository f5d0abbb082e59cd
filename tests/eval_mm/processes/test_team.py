"""Processes that meet, lose each other and are started again."""

import json
import os
import threading

import pytest
import torch

from eval_mm.errors import Interrupted, UserError
from eval_mm.processes import team
from eval_mm.processes.rounds import Round
from eval_mm.processes.team import Team, join
from tests.eval_mm.processes.crew import Crew, MemoryStore, hurry, until


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def test_one_process_needs_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain run must neither load torch nor wait for anybody."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    alone = join.__wrapped__()
    assert (alone.rank, alone.world, alone.leads, alone.line) == (0, 1, True, None)
    with Round(alone, "x") as round:
        assert [round.take() for _ in range(3)] == [0, 1, 2]
        assert round.same("word", lambda: "said") == "said"


def test_every_number_goes_to_one_process() -> None:
    """A group taken twice is asked twice, one that nobody takes is never answered."""

    def take(one: Team) -> list[int]:
        with Round(one, "x") as round:
            return [round.take() for _ in range(50)]

    taken = Crew(4, take).result()
    assert sorted(number for numbers in taken for number in numbers) == list(range(200))


def test_all_hear_what_process_0_makes_however_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long list of what is left must not be cut at the size of one value of the store."""
    monkeypatch.setattr("eval_mm.processes.store_line.PARCEL", 40)
    word = "äöü" * 1000
    assert Crew(3, lambda one: Round(one, "x").same("word", lambda: word)).result() == [word] * 3


def test_the_same_name_again_is_another_round() -> None:
    """Two runs of one folder in one program: the second must not find the counter of the first used up."""

    def twice(one: Team) -> list[int]:
        numbers = []
        for _ in range(2):
            with Round(one, "x") as round:
                round.same("all here", lambda: "")
                numbers.append(round.take())
        return numbers

    first, second = zip(*Crew(2, twice).result(), strict=True)
    assert sorted(first) == sorted(second) == [0, 1]


@pytest.mark.parametrize("rank", [0, 2])
def test_bad_input_in_one_process_is_bad_input_in_all(rank: int) -> None:
    """All must end with the same exit code, for a reason that is said once."""

    def work(one: Team) -> bool:
        with Round(one, "x") as round:
            if one.rank == rank:
                raise UserError("no such file")
            round.wait(lambda: None)
        return True

    found = Crew(3, work).result()
    assert [type(error) for error in found] == [UserError] * 3
    assert {str(error) for error in found} == {"no such file"}


def test_what_is_no_bad_input_interrupts_the_others() -> None:
    """A bug in one process must not leave the others waiting, nor look like the user's mistake."""

    def work(one: Team) -> None:
        with Round(one, "x") as round:
            if one.rank == 1:
                raise ValueError("oh")
            round.wait(lambda: None)

    found = Crew(2, work).result()
    assert isinstance(found[0], Interrupted)
    assert "process 1: ValueError: oh" in str(found[0])
    assert isinstance(found[1], ValueError)


@pytest.mark.parametrize("here", [True, False])
def test_a_process_that_died_is_named(here: bool) -> None:
    """Torchrun ends the others as a scheduler would: "interrupted" alone hides whose fault it was.

    A number of a process in another container says nothing here.
    """
    died, over = threading.Event(), threading.Event()
    pid = 1 << 22 | 1  # more than there can be

    def work(one: Team) -> None:
        with Round(one, "x"):
            if one.rank == 1:
                assert one.line is not None
                one.line.beat = None
                status = {**one._status(1), "pid": pid}
                one.line.set(one._status_key(1), json.dumps(status if here else {**status, "node": "1"}))
                died.set()
                over.wait(20)
            else:
                died.wait(20)
                raise KeyboardInterrupt

    crew = Crew(3, work)
    until(lambda: crew.found[0] is not None and crew.found[2] is not None)
    over.set()
    found = crew.result()
    assert isinstance(found[0], Interrupted)
    assert str(found[0]) == str(found[2])
    died_here = f"process 1 (pid {pid}) on {os.uname().nodename} has died"
    assert str(found[0]) == died_here if here else str(found[0]).endswith("was told to end")


def test_only_one_says_what_all_found() -> None:
    """Eight processes that find the same mistake must not print it eight times."""
    found = Crew(4, lambda one: (one.says("bad"), one.says("worse"))).result()
    assert [sum(said) for said in zip(*found, strict=True)] == [1, 1]


def test_a_silent_process_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is gone says nothing any more: the others must end, not wait for its answers."""
    hurry(monkeypatch, SILENT=1.0)
    over = threading.Event()

    def work(one: Team) -> None:
        with Round(one, "x") as round:
            if one.rank == 1:
                assert one.line is not None
                one.line.beat = None
                over.wait(20)
            else:
                round.wait(lambda: None)

    crew = Crew(3, work)
    until(lambda: crew.found[0] is not None and crew.found[2] is not None)
    over.set()
    found = crew.result()
    assert "process 1 on" in str(found[0])
    assert "no sign of life" in str(found[0])
    assert isinstance(found[0], Interrupted)
    assert isinstance(found[2], Interrupted)


def test_a_lost_store_ends_everyone() -> None:
    """Torchrun killed, or the machine that keeps the store: nobody may wait for it."""
    store = MemoryStore()

    def work(one: Team) -> None:
        with Round(one, "x") as round:
            round.same("all here", lambda: "")
            store.broken = one.rank == 0 or store.broken
            round.wait(lambda: None)

    found = Crew(3, work, store).result()
    assert [type(error) for error in found] == [Interrupted] * 3
    assert "the store of the processes is gone" in str(found[1])


def test_a_store_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut cable: the call never returns, but who waits for it must."""
    hurry(monkeypatch, SILENT=0.2)
    store, freed = MemoryStore(), threading.Event()

    def work(one: Team) -> None:
        with Round(one, "x") as round:
            round.same("all here", lambda: "")
            if one.rank == 1:
                assert one.line is not None
                one.line.run(lambda _: freed.wait(20))
            round.wait(lambda: None)

    found = Crew(2, work, store)
    until(lambda: isinstance(found.found[1], Interrupted))
    freed.set()
    assert "has not answered" in str(found.result()[1])


def test_a_process_that_never_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One node of four does not come up: the others say whom they wait for, and end."""
    hurry(monkeypatch, JOIN=0.4)
    monkeypatch.setattr(team, "HINT", 0.1)
    with pytest.raises(Interrupted, match="processes 1, 2 of 3 have not started"):
        Team(0, 3, MemoryStore)
    assert "waiting for processes 1, 2 of 3 to start" in capsys.readouterr().err
    with pytest.raises(Interrupted, match="process 1: process 0 has not started"):
        Team(1, 3, MemoryStore)


def test_a_second_try_takes_nothing_of_the_first() -> None:
    """What an earlier try left in the store must not be taken for an answer, nor its counter go on."""
    store = MemoryStore()

    def take(one: Team) -> int:
        with Round(one, "x") as round:
            round.same("all here", lambda: "")
            return round.take()

    assert sorted(Crew(3, take, store).result()) == [0, 1, 2]
    assert sorted(Crew(3, take, store).result()) == [0, 1, 2]


def test_who_is_started_again_alone_ends_the_try_of_the_others() -> None:
    """Torchrun on one machine restarts its own processes only: the others must end, to be restarted too."""
    store, joined = MemoryStore(), threading.Barrier(3)

    def first(one: Team) -> None:
        with Round(one, "x") as round:
            joined.wait(10)
            round.wait(lambda: None)

    others = Crew(2, first, store)
    joined.wait(10)
    again = threading.Thread(target=lambda: Team(1, 2, lambda: store), daemon=True)
    again.start()
    found = others.result()
    assert [str(error) for error in found] == ["process 1 was started again"] * 2
    leader = Team(0, 2, lambda: store)
    again.join(10)
    assert not again.is_alive(), "it answers the new call"
    leader.close()


def test_a_conclusion_is_not_tried_again() -> None:
    """With --max-restarts 3, bad input must not load the model four times."""
    store = MemoryStore()

    def conclude(one: Team) -> None:
        one.conclude(2)

    Crew(2, conclude, store).result()
    found = Crew(2, conclude, store).result()
    assert [error.code for error in found if isinstance(error, SystemExit)] == [2, 2]


def test_the_others_end_after_process_0() -> None:
    """Torchrun would end process 0, which still prints or asks a judge, as soon as another ends with 3."""
    printed = threading.Event()

    def work(one: Team) -> int:
        if one.leads:
            threading.Event().wait(0.3)
            printed.set()
            one.close(3)
            return 3
        code = one.follow()
        assert printed.is_set()
        return code

    assert Crew(3, work).result() == [3, 3, 3]


@pytest.mark.parametrize("name", ["WORLD_SIZE", "RANK", "MASTER_PORT"])
def test_half_an_environment_is_explained(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A container that sets WORLD_SIZE alone must get a line, not a traceback or a wait of ten minutes."""
    for one, value in {"WORLD_SIZE": "4", "RANK": "1", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(one, value)
    monkeypatch.setenv(name, "x")
    with pytest.raises(UserError, match=f"{name} 'x': start several processes with torchrun"):
        join.__wrapped__()


@pytest.mark.parametrize(("number", "device"), [(1, 1), (5, 1)])
def test_every_process_has_its_gpu(monkeypatch: pytest.MonkeyPatch, number: int, device: int) -> None:
    """Eight processes on the first GPU of eight would be out of memory; where there are fewer they share."""
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    team.choose_gpu(number)
    assert chosen == [device]
