"""What one asks the engine, and what cannot be asked."""

from array import array
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING

from qwen_vl.config import QwenVLConfig

if TYPE_CHECKING:  # torch comes with it
    from qwen_vl.sampling import Sampling


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A question for the engine: ids with a span of rows per picture, pictures by key, and limits.

    With options their log-probabilities are wanted; else an answer of min..max_new_tokens, greedy or, with
    `sampling`, drawn by its own `seed`: the same beside any neighbours.

    on_token is called with each token of the answer as it is chosen, never twice, never with the stop id.
    cancelled is asked before every step: once it says True the answer ends there, as "cancelled". Both are
    called in the thread that runs the engine, so they are quick and do not raise.
    """

    id: Hashable
    ids: tuple[int, ...]
    images: tuple[Hashable, ...] = ()
    options: tuple[tuple[int, ...], ...] = ()
    min_new_tokens: int = 0
    max_new_tokens: int = 1
    stop_ids: frozenset[int] = frozenset()
    sampling: "Sampling | None" = None
    seed: int = 0
    on_token: Callable[[int], object] | None = None
    cancelled: Callable[[], bool] | None = None


def check_query(query: Query, config: QwenVLConfig) -> None:
    """ValueError, or TypeError for what is no number or no key, that says what is wrong with a query."""
    hash(query.images)
    if not query.ids:
        raise ValueError("an empty prompt has nothing to go on from")
    if not all(query.options):
        raise ValueError("an empty continuation has no log-probability")
    for ids in (query.ids, *query.options, query.stop_ids):
        if ids and not 0 <= min(ids) <= max(ids) < config.vocab_size:
            raise ValueError(
                f"ids from {min(ids)} to {max(ids)}: the vocabulary is 0 to {config.vocab_size - 1}"
            )
        array("q", ids)  # TypeError for what is no whole number
    for number in (query.min_new_tokens, query.max_new_tokens, query.seed):
        index(number)  # the same; an answer never has 2.5 tokens, and would never end
    if not 0 <= query.min_new_tokens <= query.max_new_tokens:
        raise ValueError(f"{query.min_new_tokens} to {query.max_new_tokens} new tokens cannot be")
    if not 0 <= query.seed < 2**63:
        raise ValueError(f"a seed is a whole number from 0 to 2^63 - 1, not {query.seed}")
    visual = config.visual
    starts = [place for place, token in enumerate(query.ids) if token == visual.image_start_id]
    if len(starts) != len(query.images):
        raise ValueError(f"{len(starts)} <img> in the ids, {len(query.images)} pictures")
    for start in starts:
        end = start + visual.n_queries + 1
        if end >= len(query.ids) or query.ids[end] != visual.image_start_id + 1:
            raise ValueError(f"no </img> {visual.n_queries + 1} rows after the <img> at {start}")
