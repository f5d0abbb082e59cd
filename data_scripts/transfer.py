"""One file over HTTP: resumed where it was cut, checked against its length and its SHA-256.

What has arrived lies in `<name>.part`; beside it `<name>.part.json` keeps what the server said of the file
(ETag, Last-Modified, length), so that a later Range request says with If-Range which file it means
(RFC 9110, sections 13.1.5 and 14). A server that cannot resume, or whose file has changed, starts from zero.
"""

import http.client
import json
import re
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from tqdm import tqdm

from data_scripts.checksums import digest
from eval_mm import files
from eval_mm.errors import UserError

CHUNK = 1 << 17
PROGRESS = 1 << 20
"""Bytes that must arrive for a try not to count as a vain one."""

SPARE = 64 << 20
"""Bytes of the disk that are left free."""

UNFINISHED = (".part", ".part.json")
"""Endings of what an unfinished download leaves, behind the name of its file."""

RETRYABLE = {408, 425, 429, 500, 502, 503, 504}
AGAIN = "run the same command again to go on"
PICTURE = (b"\xff\xd8", b"\x89PNG", b"RIFF", b"BM")
"""No GIF: one of a single pixel is what some hosts send in place of a picture they no longer have."""

BEGINS = {
    ".zip": (b"PK\x03\x04", b"PK\x05\x06"),
    ".gz": (b"\x1f\x8b",),
    ".tgz": (b"\x1f\x8b",),
    ".bz2": (b"BZh",),
    ".json": (b"{", b"["),
    ".jsonl": (b"{",),
    ".jpg": PICTURE,
    ".jpeg": PICTURE,
    ".png": PICTURE,
    ".gif": (b"GIF8", *PICTURE),
}
"""How a file of that ending begins, blanks and byte-order mark of a text left out."""


class Retry(NamedTuple):
    """How often and how patiently; seconds. `sleep` is given the pauses."""

    vain: int = 5
    first: float = 1.0
    longest: float = 60.0
    timeout: float = 60.0
    sleep: Callable[[float], None] = time.sleep


class _Cut(Exception):
    """One try failed, another may not. `wait` are the seconds the server asked for."""

    def __init__(self, message: str, wait: float | None = None):
        super().__init__(message)
        self.wait = wait


class _Notes(NamedTuple):
    """What the server said of the file whose beginning is in the .part."""

    url: str
    validator: str
    total: int | None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only, and never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        """The request that follows the redirect."""
        _allowed(newurl, secure=req.full_url.startswith("https:"))
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


PATIENT = Retry()


def download(
    url: str,
    path: Path,
    size: int | None = None,
    sha256: str = "",
    retry: Retry = PATIENT,
    quiet: bool = False,
) -> str:
    """Downloads to `path`, going on where an earlier call was cut, and returns the SHA-256 of what came.

    `size` and `sha256` are the published ones, None and "" where unknown. `quiet` shows nothing of it.

    Raises:
        UserError: the server refuses or sends a page instead of the file; several tries in a row failed; the
            disk is full; the content is not the published one. What may be gone on with stays in the .part.
    """
    _allowed(url, secure=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    vain, furthest = 0, arrived(path)
    while True:
        try:
            _attempt(url, part, size, sha256, retry.timeout, quiet)
            break
        except _Cut as cut:
            vain = 0 if arrived(path) - furthest >= PROGRESS else vain + 1
            furthest = max(furthest, arrived(path))
            if vain >= retry.vain:
                raise UserError(
                    f"{url}: {cut}; {vain} tries in a row failed, {arrived(path):,} bytes are kept: {AGAIN}"
                ) from None
            wait = cut.wait if cut.wait is not None else retry.first * 2 ** max(vain - 1, 0)
            wait = min(wait, retry.longest)
            if not quiet:
                tqdm.write(f"{path.name}: {cut}; trying again in {wait:.0f} s", file=sys.stderr)
            retry.sleep(wait)
        except OSError as error:  # of our own files only: the network's are caught where it is read
            raise UserError(
                f"{part}: {error.strerror or error}; what has arrived is kept: make room, then {AGAIN}"
            ) from None
    found = digest(part)
    if sha256 and found != sha256:
        _drop(part)
        raise UserError(
            f"{url}: its SHA-256 is {found}, not the published {sha256}; it was thrown away. Fetch it again; "
            "if that does not help, the file has been changed by its publisher"
        )
    part.replace(path)
    _drop(part)
    return found


def arrived(path: Path) -> int:
    """How many bytes of an unfinished download are there."""
    part = path.with_name(path.name + ".part")
    return part.stat().st_size if part.exists() else 0


def check_room(folder: Path, wanted: int, what: str) -> None:
    """UserError where the disk has less than that many bytes to spare."""
    free = shutil.disk_usage(folder).free - SPARE
    if wanted > free:
        raise UserError(
            f"{folder}: {what} needs {wanted:,} bytes, {max(free, 0):,} are free; make room, then {AGAIN}"
        )


def _attempt(url: str, part: Path, size: int | None, sha256: str, timeout: float, quiet: bool) -> None:
    """One request; returns when the .part is whole, raises _Cut where another try may help."""
    notes = _read_notes(part)
    if notes.url != url or not (notes.validator or sha256):
        _drop(part)  # another file, or one of which nothing would show that it has changed meanwhile
    have = part.stat().st_size if part.exists() else 0
    if have and have == notes.total:
        return
    headers = {"User-Agent": "eval-mm data_scripts", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if notes.validator:
            headers["If-Range"] = notes.validator
    try:
        response = _opener().open(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:
                return _beyond_end(part, error.headers, have)
            if error.code in RETRYABLE:
                raise _Cut(f"the server answers {error.code}", _retry_after(error.headers)) from None
            raise UserError(f"{url}: the server answers {error.code} ({error.reason})") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise UserError(f"{url}: {reason.verify_message}; is the clock of this machine right?") from None
        raise _Cut(f"no answer ({' '.join(str(reason).split()) or type(error).__name__})") from None
    with response:
        _receive(url, part, response, have, notes, size if sha256 else None, quiet)


def _receive(
    url: str,
    part: Path,
    response: http.client.HTTPResponse,
    have: int,
    notes: _Notes,
    exact: int | None,
    quiet: bool,
) -> None:
    start, total = 0, _number(response.headers.get("Content-Length"))
    found = _validator(response.headers)
    if response.status == 206:
        span = re.fullmatch(
            r"bytes (\d+)-\d+/(\d+|\*)", (response.headers.get("Content-Range") or "").strip()
        )
        total = _number(span[2]) if span else None
        changed = found and notes.validator and found != notes.validator
        if not span or int(span[1]) != have or changed or (notes.total and total not in (None, notes.total)):
            _drop(part)
            raise _Cut("the server sent another part or another file than the one asked for")
        start = have
        total = notes.total if total is None else total
    elif response.status != 200:
        raise UserError(f"{url}: the server answers {response.status} ({response.reason})")
    if exact is not None and total is not None and total != exact:
        raise UserError(
            f"{url}: the server offers {total:,} bytes, the published file has {exact:,}; its publisher has "
            "changed it, or this is another file"
        )
    check_room(part.parent, (total or 0) - start, part.stem)
    chunk = _read(response)
    if not start:
        _refuse_page(url, part, response.headers, chunk)
        if have and not quiet:
            tqdm.write(
                f"{part.stem}: the server cannot go on where it was cut, or its file has changed; it starts "
                "from the beginning",
                file=sys.stderr,
            )
        _drop(part)
        files.write_json(_notes_of(part), _Notes(url, found, total)._asdict())
    received = start
    with (
        part.open("ab" if start else "wb") as file,
        tqdm(
            total=total,
            initial=start,
            desc=part.stem,
            unit="B",
            unit_scale=True,
            unit_divisor=1000,
            disable=quiet or None,
        ) as bar,
    ):
        while chunk:
            file.write(chunk)
            received += len(chunk)
            bar.update(len(chunk))
            chunk = _read(response)
    if total is not None and received != total:
        raise _Cut(f"the connection ended after {received:,} of {total:,} bytes")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(f"the connection was cut ({type(error).__name__})") from None


def _beyond_end(part: Path, headers: Message, have: int) -> None:
    """416: all of it is there already, or the file has become shorter."""
    span = re.fullmatch(r"bytes \*/(\d+)", (headers.get("Content-Range") or "").strip())
    if not span or int(span[1]) != have:
        _drop(part)
        raise _Cut("the server's file ends before what has arrived; it starts from the beginning")


def _refuse_page(url: str, part: Path, headers: Message, first: bytes) -> None:
    """UserError where a web page, or anything but the wanted kind of file, was sent."""
    begin = first.removeprefix(b"\xef\xbb\xbf").lstrip()[:64]
    kinds = BEGINS.get(Path(part.stem).suffix.lower())
    if kinds and begin.startswith(kinds):
        return
    if not first:
        raise UserError(f"{url}: the server sent an empty file")
    if begin.lower().startswith((b"<!doctype html", b"<html")) or headers.get_content_type() == "text/html":
        raise UserError(
            f"{url}: the server sent a web page, not {part.stem}; perhaps it wants a login or a click: open "
            f"it in a browser and put the file into {part.parent}"
        )
    if kinds:
        raise UserError(f"{url}: not a {Path(part.stem).suffix} file; it begins with {first[:16]!r}")


def _validator(headers: Message) -> str:
    """What If-Range may name: a strong ETag, else Last-Modified; empty without either."""
    etag = headers.get("ETag") or ""
    return etag if etag.startswith('"') else headers.get("Last-Modified") or ""


def _retry_after(headers: Message) -> float | None:
    seconds = _number(headers.get("Retry-After"))
    return None if seconds is None else float(seconds)


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text.strip()) else None


def _allowed(url: str, secure: bool) -> None:
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https") or (secure and scheme != "https"):
        raise UserError(f"{url}: only http and https are followed, and https never to http")


def _opener() -> urllib.request.OpenerDirector:
    """What understands http and https and nothing else: no file:, no ftp:."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _notes_of(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_notes(part: Path) -> _Notes:
    try:
        return _Notes(**json.loads(_notes_of(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # none, or damaged: as if nothing had arrived
        return _Notes("", "", None)


def _drop(part: Path) -> None:
    for path in (part, _notes_of(part)):
        path.unlink(missing_ok=True)
