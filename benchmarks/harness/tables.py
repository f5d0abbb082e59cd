"""The README beside the scripts: each writes its own chapter and leaves the others as they are."""

import re
from pathlib import Path

README = Path(__file__).with_name("README.md")
HEAD = "# The harness\n"


def write_section(title: str, text: str, table: str) -> None:
    """Replaces the chapter of this title, or adds it."""
    chapter = f"\n## {title}\n\n{text}\n\n```text\n{table}\n```\n"
    old = README.read_text(encoding="utf-8") if README.exists() else HEAD
    found = re.search(rf"\n## {re.escape(title)}\n.*?(?=\n## |\Z)", old, re.DOTALL)
    new = old + chapter if found is None else old[: found.start()] + chapter + old[found.end() :]
    README.write_text(new, encoding="utf-8")
