"""TouchStone's judge: answers of a run are scored 1 to 10 by a language model, against a reference answer.

Paper: Bai et al. 2023 (https://arxiv.org/abs/2308.16890), https://github.com/OFA-Sys/TouchStone. The data and
the questions are a task of `eval_mm`; this package judges its stored answers, compares judges and shows what
they said. `python -m touchstone --help`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from touchstone.judging import judge
    from touchstone.options import Options

__all__ = ["Options", "judge"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # loaded on demand: --help answers without
        from touchstone import judging, options

        return judging.judge if name == "judge" else options.Options
    raise AttributeError(f"module 'touchstone' has no '{name}'")
