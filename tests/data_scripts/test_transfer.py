"""Downloads over a server that cuts, lies, changes its file and sends pages."""

import errno
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from data_scripts import transfer
from data_scripts.transfer import Retry, arrived, download
from eval_mm.errors import UserError
from tests.data_scripts.server import Server, serving

BODY = b"PK\x03\x04" + random.Random(0).randbytes(3_000_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
WHEN = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as running:
        yield running


class Slept(list[float]):
    """The pauses a download made, without making them."""

    def retry(self, vain: int = 3) -> Retry:
        return Retry(vain=vain, timeout=10, sleep=self.append)


@pytest.fixture
def slept() -> Slept:
    return Slept()


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole(server: Server, tmp_path: Path) -> None:
    """Guards the plain case: content, hash, nothing left beside, and no Range asked for."""
    served = server.put("/a.zip", BODY)
    assert download(server.url("/a.zip"), tmp_path / "a.zip", len(BODY), SHA256) == SHA256
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert leftovers(tmp_path) == ["a.zip"]
    assert "Range" not in served.asked[0]


@pytest.mark.parametrize("etag", ['"one"', None])
def test_a_cut_download_is_gone_on_with(
    etag: str | None, server: Server, tmp_path: Path, slept: Slept
) -> None:
    """Guards resuming within a run: only the rest is asked for, under the validator the server gave."""
    served = server.put("/a.zip", BODY, etag=etag, modified=WHEN, cuts=[1_000_000, 1_500_000])
    assert download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry()) == SHA256
    assert [asked.get("Range") for asked in served.asked] == [None, "bytes=1000000-", "bytes=2500000-"]
    assert served.asked[1]["If-Range"] == (etag or WHEN)


def test_a_later_run_goes_on(server: Server, tmp_path: Path, slept: Slept) -> None:
    """Guards the notes beside the .part: a second call must know the file it began, and say how to go on."""
    served = server.put("/a.zip", BODY, cuts=[2_000_000, 10, 10, 10])
    with pytest.raises(UserError, match="2,000,030 bytes are kept: run the same command again to go on"):
        download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry())
    assert arrived(tmp_path / "a.zip") == 2_000_030
    assert not (tmp_path / "a.zip").exists()
    assert download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry()) == SHA256
    assert served.asked[-1]["Range"] == "bytes=2000030-"


def test_pauses_grow_and_tries_end(server: Server, tmp_path: Path, slept: Slept) -> None:
    """Guards against hammering a server in trouble, and against trying for ever."""
    server.put("/a.zip", BODY, statuses=[503] * 9)
    with pytest.raises(UserError, match="the server answers 503; 4 tries in a row failed"):
        download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry(vain=4))
    assert slept == [1.0, 2.0, 4.0]


def test_the_server_may_name_the_pause(server: Server, tmp_path: Path, slept: Slept) -> None:
    """Guards Retry-After: a server that limits rates is given the time it asks for, up to a minute."""
    server.put("/a.zip", BODY, statuses=[429], headers={"Retry-After": "7"})
    server.put("/b.zip", BODY, statuses=[429], headers={"Retry-After": "86400"})
    for name in ("a.zip", "b.zip"):
        assert download(server.url(f"/{name}"), tmp_path / name, retry=slept.retry()) == SHA256
    assert slept == [7.0, 60.0]


def test_a_server_without_ranges_starts_over(
    server: Server, tmp_path: Path, slept: Slept, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards against appending a whole file to the half that is there."""
    server.put("/a.zip", BODY, ranges=False, cuts=[2_000_000])
    assert download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry()) == SHA256
    assert "it starts from the beginning" in " ".join(capsys.readouterr().err.split())


def test_a_server_that_always_cuts_is_given_up(server: Server, tmp_path: Path, slept: Slept) -> None:
    """Guards an endless loop: bytes that come for the second time are no progress."""
    served = server.put("/a.zip", BODY, ranges=False, cuts=[2_500_000, 1_200_000] * 50)
    with pytest.raises(UserError, match="3 tries in a row failed"):
        download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry())
    assert len(served.asked) == 4


def test_another_file_is_never_appended(server: Server, tmp_path: Path, slept: Slept) -> None:
    """Guards a splice of two versions: under a new ETag everything is fetched anew."""
    server.put("/a.zip", BODY, cuts=[2_000_000, 0, 0, 0])
    with pytest.raises(UserError):
        download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry())
    other = BODY[:4] + bytes(reversed(BODY[4:]))
    server.put("/a.zip", other, etag='"two"')
    download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry())
    assert (tmp_path / "a.zip").read_bytes() == other


def test_a_server_that_ignores_if_range_is_seen_through(server: Server, tmp_path: Path, slept: Slept) -> None:
    """Guards the same splice where the server sends the rest of the new file all the same."""
    server.put("/a.zip", BODY, cuts=[2_000_000, 0, 0, 0])
    with pytest.raises(UserError):
        download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry())
    other = BODY[:4] + bytes(reversed(BODY[4:]))
    server.put("/a.zip", other, etag='"two"', if_range=False)
    download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry())
    assert (tmp_path / "a.zip").read_bytes() == other


def test_without_a_validator_nothing_is_resumed(server: Server, tmp_path: Path, slept: Slept) -> None:
    """Guards a splice where nothing would show that the file has changed; a known hash would."""
    for name, sha256, ranges in (("a.zip", "", [None, None]), ("b.zip", SHA256, [None, "bytes=2000000-"])):
        served = server.put(f"/{name}", BODY, etag='W/"weak"', cuts=[2_000_000])
        assert download(server.url(f"/{name}"), tmp_path / name, None, sha256, slept.retry()) == SHA256
        assert [asked.get("Range") for asked in served.asked] == ranges


def test_the_wrong_part_is_refused(server: Server, tmp_path: Path, slept: Slept) -> None:
    """Guards against a server whose 206 is not the range that was asked for."""
    server.put("/a.zip", BODY, cuts=[2_000_000], shift=5)
    assert download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry()) == SHA256


@pytest.mark.parametrize(("extra", "requests"), [(b"", 1), (b"too much", 2)])
def test_beyond_the_end(extra: bytes, requests: int, server: Server, tmp_path: Path, slept: Slept) -> None:
    """Guards 416: a .part that is whole is taken, one that is longer than the file is thrown away."""
    served = server.put("/a.zip", BODY)
    (tmp_path / "a.zip.part").write_bytes(BODY + extra)
    notes = {"url": server.url("/a.zip"), "validator": '"one"', "total": None}
    (tmp_path / "a.zip.part.json").write_text(json.dumps(notes))
    assert download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry()) == SHA256
    assert len(served.asked) == requests


def test_a_part_that_was_whole_needs_no_server(server: Server, tmp_path: Path, slept: Slept) -> None:
    """Guards a stop between the last byte and the renaming."""
    (tmp_path / "a.zip.part").write_bytes(BODY)
    notes = {"url": server.url("/a.zip"), "validator": '"one"', "total": len(BODY)}
    (tmp_path / "a.zip.part.json").write_text(json.dumps(notes))
    assert download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry()) == SHA256


@pytest.mark.parametrize("notes", ["", "{", "[]", '{"url": 1}', '{"url": "x", "validator": "", "total": 0}'])
def test_damaged_notes_start_over(notes: str, server: Server, tmp_path: Path) -> None:
    """Guards against trusting a .part of which nothing is known any more."""
    server.put("/a.zip", BODY)
    (tmp_path / "a.zip.part").write_bytes(b"junk")
    (tmp_path / "a.zip.part.json").write_text(notes)
    assert download(server.url("/a.zip"), tmp_path / "a.zip") == SHA256


def test_a_short_answer_is_not_the_file(server: Server, tmp_path: Path, slept: Slept) -> None:
    """Guards a wrong Content-Length: what ends too early is never renamed to the file."""
    server.put("/a.zip", BODY, length=len(BODY) + 100, ranges=False)
    with pytest.raises(UserError, match=r"ended after 3,000,004 of 3,000,104 bytes"):
        download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry())
    assert not (tmp_path / "a.zip").exists()


def test_without_a_length_the_end_is_the_end(server: Server, tmp_path: Path) -> None:
    """Guards archives that a server packs as it sends them, of which it knows no length."""
    server.put("/a.zip", BODY, drop_length=True, etag=None)
    assert download(server.url("/a.zip"), tmp_path / "a.zip") == SHA256


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final(status: int, server: Server, tmp_path: Path, slept: Slept) -> None:
    """Guards against minutes of trying what the server has refused; the line names the URL."""
    served = server.put("/a.zip", BODY, statuses=[status] * 5)
    with pytest.raises(UserError, match=rf"/a\.zip: the server answers {status}"):
        download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry())
    assert len(served.asked) == 1
    assert leftovers(tmp_path) == []


PAGES: list[tuple[str, bytes, str]] = [
    ("a.zip", b"<!DOCTYPE html><html>please log in</html>", "application/zip"),
    ("a.zip", b"\n\n  <HTML>please log in</HTML>", "application/octet-stream"),
    ("a.json", b"please log in", "text/html; charset=utf-8"),
    ("a.csv", b"please log in", "text/html"),
]


@pytest.mark.parametrize(("name", "body", "kind"), PAGES)
def test_a_page_is_not_the_file(name: str, body: bytes, kind: str, server: Server, tmp_path: Path) -> None:
    """Guards a login page that is saved as the archive and found out an hour later."""
    server.put(f"/{name}", body, kind=kind)
    with pytest.raises(UserError, match="a web page, not a"):
        download(server.url(f"/{name}"), tmp_path / name)
    assert leftovers(tmp_path) == []


def test_a_page_does_not_cost_what_has_arrived(server: Server, tmp_path: Path, slept: Slept) -> None:
    """Guards 13 GB against a hotel's login page that answers in the server's place."""
    server.put("/a.zip", BODY, cuts=[2_000_000, 0, 0, 0])
    with pytest.raises(UserError):
        download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry())
    server.put("/a.zip", b"<html>hello</html>", kind="text/html", etag=None)
    with pytest.raises(UserError, match="web page"):
        download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry())
    assert arrived(tmp_path / "a.zip") == 2_000_000


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("a.zip", b"Rar!", "not a .zip file"),
        ("a.json", b"id,name", "not a .json file"),
        ("a.zip", b"", "empty"),
    ],
)
def test_other_kinds_of_files_are_seen(
    name: str, body: bytes, said: str, server: Server, tmp_path: Path
) -> None:
    """Guards an error text or another archive under the file's name."""
    server.put(f"/{name}", body)
    with pytest.raises(UserError, match=said):
        download(server.url(f"/{name}"), tmp_path / name)


@pytest.mark.parametrize("body", [b'{"a": 1}', b"[1]", b'\xef\xbb\xbf\n {"a": 1}'])
def test_json_under_any_type_is_json(body: bytes, server: Server, tmp_path: Path) -> None:
    """Guards a server that calls its JSON a page: what it begins with counts more."""
    server.put("/a.json", body, kind="text/html")
    download(server.url("/a.json"), tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == body


def test_the_published_hash_decides(server: Server, tmp_path: Path) -> None:
    """Guards a file that is not the published one; thrown away, or the next run would resume it."""
    server.put("/a.zip", BODY)
    with pytest.raises(UserError, match="not the published"):
        download(server.url("/a.zip"), tmp_path / "a.zip", None, "0" * 64)
    assert leftovers(tmp_path) == []


def test_another_length_is_seen_before_the_download(server: Server, tmp_path: Path) -> None:
    """Guards 13 GB that would be thrown away after their hash."""
    server.put("/a.zip", BODY)
    with pytest.raises(UserError, match="offers 3,000,004 bytes, the published file has 5"):
        download(server.url("/a.zip"), tmp_path / "a.zip", 5, SHA256)
    assert leftovers(tmp_path) == []


def test_redirects_stay_on_http(server: Server, tmp_path: Path) -> None:
    """Guards against reading local files, or another protocol, for a server that says so."""
    server.put("/a.zip", BODY)
    server.put("/there.zip", b"", statuses=[302], headers={"Location": server.url("/a.zip")})
    assert download(server.url("/there.zip"), tmp_path / "there.zip") == SHA256
    for target in ("file:///etc/passwd", "ftp://127.0.0.1/a.zip"):
        server.put("/b.zip", b"", statuses=[302], headers={"Location": target})
        with pytest.raises(UserError, match=r"only http and https|is not allowed"):
            download(server.url("/b.zip"), tmp_path / "b.zip")
    with pytest.raises(UserError, match="only http and https"):
        download("file:///etc/passwd", tmp_path / "c")


def test_https_is_never_given_up() -> None:
    """Guards a redirect from https to http, where anybody on the way could change the file."""
    request = urllib.request.Request("https://example.org/a.zip")
    with pytest.raises(UserError, match="never to http"):
        transfer._Redirects().redirect_request(request, None, 302, "", None, "http://example.org/a.zip")  # type: ignore[arg-type]


def test_the_disk_is_looked_at_first(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against filling the disk: the rest of the download must fit, and it is said before."""
    server.put("/a.zip", BODY)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 0, transfer.SPARE + 1000))
    with pytest.raises(UserError, match="needs 3,000,004 bytes, 1,000 are free"):
        download(server.url("/a.zip"), tmp_path / "a.zip")


def fail_after(path_type: Any, writes: int, error: BaseException) -> Callable[..., Any]:
    """An open() whose files fail at the n-th write."""
    real = path_type.open

    def opened(self: Path, mode: str = "r", **options: Any) -> Any:
        file = real(self, mode, **options)
        if self.name.endswith(".part") and mode in ("ab", "wb"):
            left = [writes]
            write = file.write

            class Failing:
                def __enter__(self) -> "Failing":
                    return self

                def __exit__(self, *_: object) -> None:
                    file.close()

                def write(self, data: bytes) -> int:
                    left[0] -= 1
                    if left[0] < 0:
                        raise error
                    return int(write(data))

            return Failing()
        return file

    return opened


def test_a_full_disk_keeps_what_came(
    server: Server, tmp_path: Path, slept: Slept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a disk that fills up meanwhile: one line, no retries, and the rest later."""
    served = server.put("/a.zip", BODY)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", fail_after(Path, 8, OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(UserError, match=r"No space left on device; what has arrived is kept: make room"):
            download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry())
    assert len(served.asked) == 1
    assert arrived(tmp_path / "a.zip") == 8 * transfer.CHUNK
    assert download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry()) == SHA256
    assert served.asked[-1]["Range"] == f"bytes={8 * transfer.CHUNK}-"


def test_ctrl_c_then_again(
    server: Server, tmp_path: Path, slept: Slept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards an impatient user: what had arrived is gone on with."""
    served = server.put("/a.zip", BODY)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", fail_after(Path, 4, KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry())
    assert download(server.url("/a.zip"), tmp_path / "a.zip", retry=slept.retry()) == SHA256
    assert served.asked[-1]["Range"] == f"bytes={4 * transfer.CHUNK}-"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_program_is_gone_on_with(number: int, server: Server, tmp_path: Path) -> None:
    """Guards a power cut in the middle, and Ctrl-C as a user presses it: the rest comes, and fits."""
    hold = threading.Event()
    served = server.put("/a.zip", BODY, cuts=[2_000_000], hold=hold)
    code = (
        "import sys; from pathlib import Path; from data_scripts.transfer import download\n"
        "download(sys.argv[1], Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, server.url("/a.zip"), str(tmp_path / "a.zip")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        waited = time.monotonic()
        while arrived(tmp_path / "a.zip") < 1_900_000 and time.monotonic() - waited < 30:
            time.sleep(0.02)
        running.send_signal(number)
        assert running.wait(30) != 0
    hold.set()
    kept = arrived(tmp_path / "a.zip")
    assert kept >= 1_900_000
    assert download(server.url("/a.zip"), tmp_path / "a.zip") == SHA256
    assert served.asked[-1]["Range"] == f"bytes={kept}-"


def test_no_server_is_one_line(tmp_path: Path, slept: Slept) -> None:
    """Guards a machine without network: a few tries, then one line."""
    with serving() as gone:
        url = gone.url("/a.zip")
    with pytest.raises(UserError, match=r"no answer .*3 tries in a row failed"):
        download(url, tmp_path / "a.zip", retry=slept.retry())
