"""What is left to ask in a run folder, asked with other processes; each answer is on disk as it comes."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from eval_mm import dispatch, store
from eval_mm.dispatch import Dispatcher, Stream
from eval_mm.errors import Interrupted, UserError
from eval_mm.interrupts import Interrupts
from eval_mm.journal import Journal, line_of
from eval_mm.processes.parcels import Inbox, Outbox
from eval_mm.processes.rounds import Round
from eval_mm.processes.store_line import Store
from eval_mm.processes.tally import Tally
from eval_mm.processes.team import Status
from eval_mm.progress import Progress
from eval_mm.prompt import images_of
from eval_mm.schema import Backend, Request
from eval_mm.work import Work

SHOWN = 0.1
"""Seconds between two looks at the progress line by a process that is alone."""
STALLED = 1800.0
"""Seconds without an answer after which a process that holds questions ends itself."""


class Asking:
    """A run folder being filled by this process and others."""

    def __init__(
        self,
        work: Work,
        folders: Sequence[Path] | None,
        round: Round,
        interrupts: Interrupts,
        progress: Progress,
        begin: Callable[[int], None] = lambda task: None,
    ):
        """`folders` are those of the tasks, None where this process does not see the run folder. In process 0
        `begin` is called before the first answer to a task counts: from then on the folder is this run's.
        """
        self._work, self._round, self._interrupts, self._progress = work, round, interrupts, progress
        self._folders, self._begin = folders, begin
        self._dispatcher = Dispatcher(
            work.groups(round.world),
            self._take,
            lambda: interrupts.asked or round.is_over,
            self._most if round.world > 1 else None,
        )
        self._tally = Tally(len(work.plans))
        self._task = 0
        self._journal: Journal | None = None
        self._outbox = Outbox(round.key, round.rank) if folders is None else None
        self._inbox = Inbox(round.key, folders, work.run) if folders is not None and round.leads else None
        self._unfinished = set(range(len(work.plans))) if round.leads else set[int]()
        self._begun: set[int] = set()
        self._lost: Exception | None = None
        self._shown = 0.0
        self._unseeing: set[int] = set()
        self._moved: float | None = None  # when something last came or went, None while that cannot be

    def run(self, backend: Backend | None, fingerprint: str) -> Iterator[int]:
        """Asks until nothing is left; process 0 yields the number of each task as all its answers are there.

        The back end may be None where nothing is left to begin with.

        Raises:
            KeyboardInterrupt: a signal came; what was being answered then is on disk.
            UserError, Interrupted: what ended the run in another process.
        """
        self._round.before, self._round.after = self._say, self._hear
        keys = store.Keys(fingerprint)
        try:
            yield from self._finished()
            for stream in self._dispatcher.streams():
                for line, failed in self._answers(stream, backend, keys):
                    self._keep(stream.task, line, failed)
                    if self._tally.news:
                        yield from self._finished(but=stream.task)
                yield from self._finished()
            while self._unfinished and not self._is_ending():
                time.sleep(0.02)
                yield from self._finished()
        finally:
            self._send_the_rest()
            self._show()
        self._round.check()
        if self._lost is not None:
            raise self._lost
        if self._interrupts.asked:
            raise KeyboardInterrupt

    @property
    def notices(self) -> list[str]:
        """What the user should know of how it went."""
        if not self._unseeing:
            return []
        named = ", ".join(map(str, sorted(self._unseeing)))
        return [f"processes {named} do not see the run folder: their answers came through the store"]

    def _answers(
        self, stream: Stream, backend: Backend | None, keys: store.Keys
    ) -> Iterator[tuple[bytes, bool]]:
        """The answers to the questions of a stream, each once, as journal lines, and whether they failed."""
        assert backend is not None, "questions, and no model to ask"
        plan, waiting = self._work.plans[stream.task], dict[str, Request]()
        questions = stream.samples

        def requests() -> Iterator[Request]:
            for place in questions:
                request = plan.request(plan.dataset.samples[place])
                waiting[request.id] = request
                yield request

        self._moved = time.monotonic()
        with self._open_journal(stream.task):
            for answer in backend.generate(requests()):
                assert answer.id in waiting, f"an answer nobody asked for: {answer.id}"
                request = waiting.pop(answer.id)
                error = _one_line(answer.error, request, plan.dataset.root.path)
                yield line_of(answer, self._work.run, key=keys.of(request), error=error), error is not None
                self._dispatcher.held -= 1
        self._moved = None
        assert not waiting, f"{len(waiting)} requests were never answered, the first {next(iter(waiting))}"
        assert self._is_ending() or next(questions, None) is None, "the back end did not ask for all requests"

    @contextmanager
    def _open_journal(self, task: int) -> Iterator[None]:
        """The journal of this process for a task, as long as answers to it come."""
        if self._folders is None:
            yield
            return
        self._folders[task].mkdir(exist_ok=True)
        with Journal(self._folders[task], self._round.rank, self._work.run) as self._journal:
            yield
            if self._round.world > 1:
                self._journal.sync()
        self._journal = None

    def _keep(self, task: int, line: bytes, failed: bool) -> None:
        """An answer on disk, or on its way there, and counted."""
        self._begin_once(task)
        if self._outbox is not None:
            self._outbox.append(task, line)
        else:
            assert self._journal is not None
            self._journal.write(line)
        self._tally.add(task, failed)
        self._task, self._moved = task, time.monotonic()
        if self._round.world == 1:
            if self._moved - self._shown > SHOWN:
                self._show()
        elif self._round.is_over:
            self._interrupts.end_soon()

    def _finished(self, but: int | None = None) -> Iterator[int]:
        """The tasks of which all answers have come to be there; `but` is being asked here."""
        self._tally.news = False
        for task in sorted(self._unfinished - {but}):
            answered = self._tally.of(task)
            if answered:
                self._begin_once(task)
            if answered >= len(self._work.todo[task]):
                self._unfinished.discard(task)
                moved, self._moved = self._moved, None  # what follows may take its time
                yield task
                self._moved = None if moved is None else time.monotonic()

    def _begin_once(self, task: int) -> None:
        if task not in self._begun:
            self._begun.add(task)
            self._begin(task)

    def _take(self) -> int:
        """The next group; where it cannot be had the questions end, and `run` raises why.

        A back end may take what is raised among its questions for an error of its own.
        """
        try:
            return self._round.take()
        except (Interrupted, UserError, OSError) as error:
            self._lost = error
            return sys.maxsize

    def _most(self) -> float:
        return dispatch.part(self._tally.rate(), self._tally.speed(), self._round.world)

    def _is_ending(self) -> bool:
        return self._interrupts.asked or self._round.is_over

    def _show(self) -> None:
        self._shown = time.monotonic()
        plans, tally = self._work.plans, self._tally
        place = f" ({self._task + 1} of {len(plans)})" if len(plans) > 1 else ""
        done, slowest = self._work.num_stored + tally.total(), tally.slowest(self._round.rank)
        self._progress.show(plans[self._task].task.name + place, done, tally.all_errors(), slowest)

    def _say(self, store: Store) -> Status:
        """What this process tells the others, in the thread of the store: all of it is on disk or sent."""
        status = {**self._tally.status(), "sees": self._outbox is None}
        if self._outbox is not None:
            self._outbox.ship(store)
        elif (journal := self._journal) is not None:
            journal.sync()
        moved, held = self._moved, self._dispatcher.held
        if moved is not None and held and time.monotonic() - moved > STALLED:
            self._round.stuck = (
                f"process {self._round.rank} holds {held} questions and has given no answer for "
                f"{STALLED:.0f} s"
            )
        return status

    def _hear(self, store: Store, statuses: dict[int, Status]) -> None:
        """What the others tell, in the thread of the store."""
        self._unseeing |= {rank for rank, status in statuses.items() if status.get("sees") is False}
        if self._inbox is not None:
            self._inbox.collect(store, sorted(self._unseeing))
        self._tally.hear(statuses)
        if self._round.leads:
            self._show()

    def _send_the_rest(self) -> None:
        """Nothing more comes from here: what is on its way is sent, what has come is written."""
        line = self._round.team.line
        outbox, inbox = self._outbox, self._inbox
        self._inbox = None
        if line is not None:
            with suppress(Interrupted):
                if outbox is not None:
                    line.run(outbox.ship)
                if inbox is not None:
                    line.run(lambda store: inbox.close())


def _one_line(error: str | None, request: Request, root: Path) -> str | None:
    """An error as the journal holds it: one line, pictures relative to the data root."""
    if error is None:
        return None
    for path in images_of(request.prompt):
        error = error.replace(path, str(Path(path).relative_to(root)))
    return " ".join(error.split())
