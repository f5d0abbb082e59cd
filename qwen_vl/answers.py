"""What becomes of a query, once although its options may be several rows."""

from collections.abc import Hashable, Iterator, Sequence
from typing import Literal, NamedTuple

from qwen_vl.rows import Row

NOT_FINITE = "the model's output is not finite: broken weights, or a dtype too small"


class Answer(NamedTuple):
    """New ids without the stop id, or the options' mean log-probabilities, or an error. A cancelled query has
    the ids chosen until then.
    """

    id: Hashable
    ids: tuple[int, ...] = ()
    stop_reason: Literal["stop", "length", "cancelled"] | None = None
    logprobs: tuple[float, ...] | None = None
    error: Exception | None = None


def answered(row: Row, answer: Answer) -> Iterator[Answer]:
    """The answer to a row's query, unless it has one."""
    if row.ranking is not None:
        if row.ranking.answered:
            return
        row.ranking.answered = True
    yield answer


def failed(row: Row, error: Exception) -> Iterator[Answer]:
    """The answer that is an error."""
    return answered(row, Answer(row.query.id, error=error))


def ranked(row: Row, logprobs: Sequence[float]) -> Iterator[Answer]:
    """The answer to a query with options, once all are scored."""
    assert row.ranking is not None, row.query.id
    found, query = row.ranking.logprobs, row.query
    found.update(zip(row.options, logprobs, strict=True))
    if len(found) == len(query.options):
        yield from answered(
            row, Answer(query.id, logprobs=tuple(found[n] for n in range(len(query.options))))
        )


def too_long(row: Row, needed: int, most: int) -> MemoryError:
    """Of a row that does not fit into the cache even alone."""
    said = f" and {len(row.answer)} of its answer" if row.answer else ""
    prompt = len(row.query.ids)
    return MemoryError(f"a prompt of {prompt} tokens{said}: alone it takes {needed} of the cache's {most}")


def out_of_memory(trouble: str) -> MemoryError:
    """Of what failed although nothing was beside it."""
    return MemoryError(f"out of memory with nothing beside it: {trouble}")
