"""How much work a model is by its sizes: multiply-adds count two, norms and activations nothing.

"Useful" is the least that exact answers need: every picture encoded once, the rows of a picture and each text
read once, logits only where a token or an option is chosen.
"""

from collections.abc import Sequence

from qwen_vl.config import QwenVLConfig
from qwen_vl.engine import Query
from qwen_vl.profiling.static import batches


def parameters(config: QwenVLConfig) -> int:
    """Numbers in the weights."""
    from qwen_vl.model import empty_model

    return sum(tensor.numel() for tensor in empty_model(config).parameters())


def image_flop(config: QwenVLConfig) -> int:
    """The vision tower and the resampler, for one picture."""
    visual = config.visual
    patches, width, dim, rows = visual.grid**2, visual.width, visual.output_dim, visual.n_queries
    layer = 2 * patches * (4 * width**2 + 2 * width * visual.mlp_width) + 4 * patches**2 * width
    tower = 2 * patches * width * 3 * visual.patch_size**2 + visual.layers * layer
    reading = 2 * patches * (width * dim * (width != dim) + 2 * dim**2) + 4 * rows * patches * dim
    return tower + reading + 2 * rows * 3 * dim**2


def token_flop(config: QwenVLConfig, seen: float = 0) -> float:
    """The decoder's blocks for one token that sees so many."""
    hidden, inner = config.hidden_size, config.projection_size
    weights = 4 * hidden * inner + 3 * hidden * config.mlp_width
    return config.num_hidden_layers * (2 * weights + 4 * seen * inner)


def logits_flop(config: QwenVLConfig) -> int:
    """One row of logits."""
    return 2 * config.hidden_size * config.vocab_size


def useful_flop(config: QwenVLConfig, queries: Sequence[Query]) -> float:
    """The least that exact answers to queries of forced lengths need."""
    span = config.visual.n_queries + 2
    images = {key for query in queries for key in query.images}
    total = len(images) * (image_flop(config) + span * token_flop(config, span / 2))
    for query in queries:
        before = span * len(query.images)
        own = len(query.ids) - before
        tails = sum(len(option) - 1 for option in query.options)
        steps = 0 if query.options else query.max_new_tokens - 1
        tokens = own + tails + steps
        total += tokens * token_flop(config, before + tokens / 2)
        total += (1 + tails + steps) * logits_flop(config)
    return total


def static_flop(config: QwenVLConfig, queries: Sequence[Query]) -> float:
    """What the published loop does for the same answers (static.py): batches padded to their longest row, a
    picture a row, attention over all keys and logits at every position.
    """
    total = 0.0
    for batch in batches(queries):
        rows = [query for query in batch for _ in range(max(len(query.options), 1))]
        steps = 0 if batch[0].options else batch[0].max_new_tokens - 1
        tail = max((len(option) - 1 for query in batch for option in query.options), default=0)
        length = max(len(query.ids) for query in rows) + tail
        total += sum(len(query.images) for query in rows) * image_flop(config)
        total += len(rows) * length * (token_flop(config, length) + logits_flop(config))
        total += len(rows) * steps * (token_flop(config, length + steps / 2) + logits_flop(config))
    return total
