"""SHA256SUMS: what was downloaded into a folder, in the form that `sha256sum --check` reads.

# 36745453 https://example.org/captions.zip
4cfd70132527b80933105e5829dc9034eaab9573482e2e680abbab6130244817  captions.zip
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from eval_mm import files
from eval_mm.errors import DataError

SUMS = "SHA256SUMS"


class Sum(NamedTuple):
    """What came from where; `url` is empty for a file that was put there by hand."""

    sha256: str
    size: int
    url: str


def read_sums(folder: Path) -> dict[str, Sum]:
    """File name -> what is known of it; empty without such a file. Raises DataError at a damaged line."""
    path = folder / SUMS
    found: dict[str, Sum] = {}
    size, url = "", ""
    if not path.exists():
        return found
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if line.startswith("# "):
            size, _, url = line[2:].partition(" ")
            continue
        sha256, _, name = line.partition("  ")
        if len(sha256) != 64 or not name or not size.isdecimal():
            raise DataError(
                path, "not a line of ours; delete the file, what is there is then taken anew", number
            )
        found[name] = Sum(sha256, int(size), url)
    return found


def write_sums(folder: Path, sums: Mapping[str, Sum]) -> None:
    """Writes them all, by name."""
    lines = [f"# {one.size} {one.url}\n{one.sha256}  {name}\n" for name, one in sorted(sums.items())]
    files.write_text(folder / SUMS, "".join(lines))


def digest(path: Path) -> str:
    """The SHA-256 of a file, with a progress bar where that takes a while."""
    size = path.stat().st_size
    hashed = hashlib.sha256()
    with (
        path.open("rb") as file,
        tqdm(
            total=size,
            desc=f"check {path.name}",
            unit="B",
            unit_scale=True,
            leave=False,
            disable=None if size > 1 << 28 else True,
        ) as bar,
    ):
        while chunk := file.read(1 << 20):
            hashed.update(chunk)
            bar.update(len(chunk))
    return hashed.hexdigest()
