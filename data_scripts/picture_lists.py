"""Pictures that are published as one URL each, in the file of annotations: NoCaps and OCR-VQA.

They are small and many, so several are fetched at a time; one that its host no longer has is counted and
named, and does not stop the others. The same command tries those that are missing again.
"""

import json
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from data_scripts import transfer
from eval_mm.errors import DataError, UserError

WORKERS = 8
HOPELESS = 40
"""So many failures and not one success: the host refuses, and need not be asked thousands of times."""

QUICK = transfer.Retry(vain=2, timeout=20)


class Entry(NamedTuple):
    """One picture: where it is, and the name rows know it by."""

    url: str
    name: str


class PictureList(NamedTuple):
    """Which file names them and in which folder they belong, both below the benchmark's folder.

    `read(document, train)` takes the entries out of its JSON, those of training rows if asked for; KeyError,
    TypeError or AttributeError where it has another form.
    """

    file: str
    folder: str
    read: Callable[[Any, bool], Iterator[Entry]]
    page: str


def _nocaps(document: Any, train: bool) -> Iterator[Entry]:
    for image in document["images"]:
        yield Entry(image["coco_url"], image["file_name"])


def _ocrvqa(document: Any, train: bool) -> Iterator[Entry]:
    """Splits: 1 training, 2 validation, 3 test."""
    for key, book in document.items():
        if train or book["split"] != 1:
            yield Entry(book["imageURL"], key + posixpath.splitext(book["imageURL"])[1])


LISTS: Mapping[str, PictureList] = {
    "nocaps": PictureList("nocaps_val_4500_captions.json", "val", _nocaps, "https://nocaps.org/download"),
    "ocrvqa": PictureList(
        "dataset.json", "images", _ocrvqa, "https://ocr-vqa.github.io/kvqa_ProjectFiles/README.txt"
    ),
}


def entries(listed: PictureList, folder: Path, train: bool) -> list[Entry]:
    """The pictures that the benchmark's folder should have; DataError where the file is not as published."""
    path = folder / listed.file
    try:
        found = list(dict.fromkeys(listed.read(json.loads(path.read_bytes()), train)))
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise DataError(path, f"not the published file ({type(error).__name__}: {error})") from None
    for url, name in found:
        if not isinstance(url, str) or not isinstance(name, str):
            raise DataError(path, f"expected a URL and a name as text, got {url!r} and {name!r}")
        if not name.isprintable() or "/" in name or "\\" in name or name.startswith(".") or not name:
            raise DataError(path, f"'{name}' is not the name of a picture")
    return found


def missing(found: Sequence[Entry], folder: Path) -> list[Entry]:
    """Those that are not there yet."""
    have = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return [entry for entry in found if entry.name not in have]


def fetch(wanted: Sequence[Entry], folder: Path, page: str, retry: transfer.Retry = QUICK) -> None:
    """Downloads them, several at a time.

    Raises:
        UserError: some could not be had; names the first and counts them. The others are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    done = 0

    def one(entry: Entry) -> str | None:
        try:
            transfer.download(entry.url, folder / entry.name, retry=retry, quiet=True)
        except UserError as error:
            return str(error)
        return None

    pool = ThreadPoolExecutor(WORKERS)
    queue = iter(wanted)
    running: set[Future[str | None]] = set()
    try:
        with tqdm(total=len(wanted), desc="pictures", unit="img", disable=None) as bar:
            while True:
                for entry in queue:
                    running.add(pool.submit(one, entry))
                    if len(running) >= 2 * WORKERS:
                        break
                if not running:
                    break
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    fault = future.result()
                    done += fault is None
                    if fault is not None:
                        failed.append(fault)
                    bar.update()
                if len(failed) >= HOPELESS and not done:
                    break
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the pictures that are on their way, no longer
    if failed:
        rest = f"{len(wanted) - done:,} of {len(wanted):,} pictures are not there"
        raise UserError(f"{folder}: {rest}; the first: {failed[0]}; the same command tries again, see {page}")
