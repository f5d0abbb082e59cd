"""Tokenised references and their n-gram statistics, kept in a folder by what they were computed from.

A split's references never change from model to model. The file's name is the SHA-256 of their texts, the
version of this format and the tokeniser; the file repeats it. A file that is damaged or of something else is
written anew, and a folder that cannot be written only means that nothing is kept. The format is NumPy's npz,
without pickle.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zipfile import BadZipFile

from eval_mm.files import write_all
from eval_mm.metrics.cider import ORDERS, Order, References, count_references
from eval_mm.metrics.ptb import JAR, tokenize

if TYPE_CHECKING:
    from eval_mm.metrics.cider import Ints

FORMAT = 1
"""Rises when the file's content, or what is done to the texts before or after the tokeniser, changes."""


class TokenizedReferences(NamedTuple):
    """`tokens[image][caption]` as `ptb.tokenize` makes them, and what CIDEr-D counts in them."""

    tokens: list[list[str]]
    statistics: References


def tokenized_references(references: Sequence[Sequence[str]], cache: Path | None) -> TokenizedReferences:
    """Reads them from the folder `cache`, or computes and keeps them there; None keeps nothing."""
    if cache is None:
        return _compute(references)
    texts = json.dumps([list(captions) for captions in references]).encode()
    key = hashlib.sha256(b"\0".join([f"{FORMAT} {JAR}".encode(), texts])).hexdigest()
    path = cache / f"{key}.npz"
    found = _read(path, key)
    if found is None:
        found = _compute(references)
        with suppress(OSError):
            write_all({path: _to_bytes(found, key)})
    return found


def _compute(references: Sequence[Sequence[str]]) -> TokenizedReferences:
    flat = tokenize([caption for captions in references for caption in captions])
    tokens = _by_image(flat, [len(captions) for captions in references])
    return TokenizedReferences(tokens, count_references(tokens))


def _by_image(captions: Sequence[str], sizes: Sequence[int]) -> list[list[str]]:
    rest: Iterator[str] = iter(captions)
    return [[next(rest) for _ in range(size)] for size in sizes]


def _to_bytes(found: TokenizedReferences, key: str) -> bytes:
    import numpy as np

    statistics = found.statistics
    captions = [caption for image in found.tokens for caption in image]
    arrays: dict[str, Ints] = {
        "key": _text(key),
        "captions": _text("\n".join(captions)),
        "words": _text("\n".join(statistics.words)),
        "sizes": statistics.sizes,
        "lengths": statistics.lengths,
    }
    for n, order in enumerate(statistics.orders, start=1):
        arrays |= {f"{name}_{n}": array for name, array in order._asdict().items()}
    file = BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _text(text: str) -> "Ints":
    import numpy as np

    return np.frombuffer(text.encode(), np.uint8)


def _read(path: Path, key: str) -> TokenizedReferences | None:
    import numpy as np

    # What NumPy and zipfile raise on files that are absent, cut, of another kind, or changed within.
    unusable = (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        IndexError,
        NotImplementedError,
        RuntimeError,
        BadZipFile,
    )
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            return None
        with archive:
            arrays = {name: archive[name] for name in archive.files}
        if arrays["key"].tobytes() != key.encode():
            return None
        captions, words = (arrays[name].tobytes().decode().split("\n") for name in ("captions", "words"))
        orders = [Order(*(arrays[f"{name}_{n}"] for name in Order._fields)) for n in range(1, ORDERS + 1)]
    except unusable:
        return None
    statistics = References(arrays["sizes"], arrays["lengths"], tuple(words), tuple(orders))
    return TokenizedReferences(_by_image(captions, arrays["sizes"].tolist()), statistics)
