"""The package's extras: what is installed only by who needs it, and the line that says how."""

from importlib.util import find_spec

from eval_mm.errors import UserError

PROBES = {
    "qwen": "torch",
    "caption": "pycocoevalcap",
    "judge": "openai",
    "api": "openai",
    "hf": "transformers",
    "tables": "openpyxl",
    "video": "av",
    "plots": "matplotlib",
}
"""Extra -> a package that shows it is there."""


def require(extra: str, who: str) -> None:
    """Raises UserError in one line where the extra is not installed; imports nothing."""
    if find_spec(PROBES[extra]) is None:
        raise UserError(f"{who} needs the extra '{extra}': pip install 'eval-mm[{extra}]'")
