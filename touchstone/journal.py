"""The journal of judgements: one line for each question and order, on disk the moment it is judged."""

import fcntl
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TextIO

from eval_mm.errors import UserError
from eval_mm.files import ESCAPES

ORDERS = (1, 2)
"""1 shows the reference answer first, 2 the model's: the two rounds of the published script."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge said of one answer in one order, and one line of the journal.

    `answer` and `reference` are 1 to 10; both are None where no reply could be read: the judgement is missing
    and stays so. `reply` is the last reply as it came. `calls` counts the replies, `prompt_tokens` and
    `reply_tokens` are those of all of them.
    """

    id: str
    order: int
    key: str
    answer: float | None
    reference: float | None
    reply: str
    calls: int = 1
    prompt_tokens: int = 0
    reply_tokens: int = 0


Judgements = Mapping[tuple[str, int], Judgement]
"""By sample and order."""


class Journal:
    """The judgements so far, and the file that grows by one line per judgement.

    Opening locks it and drops a torn last line, which is judged again. A process that dies gives the lock
    free.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file: TextIO = path.open("a+", encoding="utf-8", errors=ESCAPES, newline="\n")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise UserError(f"{path}: being judged by another process; wait for it") from None
        except OSError:
            pass  # a file system without locks
        content = path.read_bytes()
        self._file.truncate(content.rfind(b"\n") + 1)
        self._known = _parse(content)

    def append(self, judgement: Judgement) -> None:
        """Records one judgement, on disk when this returns (as far as the operating system goes)."""
        place = (judgement.id, judgement.order, judgement.key)
        assert place not in self._known, f"{place} was judged before"
        self._file.write(json.dumps(asdict(judgement), ensure_ascii=False) + "\n")
        self._file.flush()
        self._known[place] = judgement

    def get(self, sample_id: str, order: int, key: str) -> Judgement | None:
        """The judgement of exactly this answer in this order, or None."""
        return self._known.get((sample_id, order, key))

    @property
    def judgements(self) -> Collection[Judgement]:
        """All of them, those of earlier answers among them."""
        return self._known.values()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read(path: Path) -> dict[tuple[str, int, str], Judgement]:
    """The judgements of a journal by sample, order and key; of a torn or foreign line nothing."""
    return _parse(path.read_bytes()) if path.exists() else {}


def _parse(content: bytes) -> dict[tuple[str, int, str], Judgement]:
    known: dict[tuple[str, int, str], Judgement] = {}
    for line in content.split(b"\n")[:-1]:
        try:
            one = Judgement(**json.loads(line))
            texts = (one.id, one.key, one.reply)
            numbers = [score for score in (one.answer, one.reference) if score is not None]
            whole = all(isinstance(text, str) for text in texts) and one.order in ORDERS
            if whole and len(numbers) != 1 and all(1 <= score <= 10 for score in numbers):
                known.setdefault((one.id, one.order, one.key), one)
        except (ValueError, TypeError, RecursionError):
            continue
    return known
