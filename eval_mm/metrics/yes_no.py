"""Yes or no in an answer, as MME's own script reads it.

Paper: https://arxiv.org/abs/2306.13394. Scorer: calculation.py of the benchmark's eval_tool
(https://github.com/BradyFU/Awesome-Multimodal-Large-Language-Models, branch Evaluation). No deviations.
"""

from typing import Literal

START = 4
"""So many characters are looked at."""


def read_yes_no(text: str) -> Literal["yes", "no"] | None:
    """What the first 4 characters contain, case ignored: yes before no; None where it is neither.

    White space is not stripped, as published: " Well, yes" is unreadable.
    """
    start = text.lower()[:START]
    if "yes" in start:
        return "yes"
    return "no" if "no" in start else None
