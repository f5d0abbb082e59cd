"""`fetch`: the table of downloads, what is asked and said, hashes, unpacking, a later run."""

import fcntl
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from data_scripts import downloads, fetch, picture_lists, transfer
from data_scripts.benchmarks import all_benchmarks
from data_scripts.checksums import Sum, read_sums, write_sums
from data_scripts.downloads import File
from data_scripts.fetch import Wanted
from data_scripts.transfer import Retry
from eval_mm import files
from eval_mm.errors import DataError, UserError
from tests.data_scripts.server import Server, serving
from tests.data_scripts.support import run

QUICK = Retry(vain=2, timeout=10, sleep=lambda _: None)
ROWS = b'{"annotations": []}'


def packed(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return content.getvalue()


PICTURES = packed({"val2014/1.jpg": b"one", "val2014/2.jpg": b"two"})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as running:
        running.put("/val.json", ROWS)
        running.put("/val2014.zip", PICTURES)
        yield running


def table(server: Server, **changes: object) -> list[File]:
    return [
        File("bench", "annotations", "val.json", server.url("/val.json")),
        File("bench", "pictures", "val2014.zip", server.url("/val2014.zip"), unpack=True, shared="coco"),
    ]


def test_the_table_can_be_used() -> None:
    """Guards the table's own faults: a repeated file, a URL that is none, a hash that is none."""
    seen = set()
    for row in downloads.FILES:
        assert (row.benchmark, row.folder, row.file) not in seen, row
        seen.add((row.benchmark, row.folder, row.file))
        assert "/" not in row.file
        assert row.file not in ("", ".", "..")
        assert not row.sha256 or (len(row.sha256) == 64 and int(row.sha256, 16))
        assert row.size is None or row.size > 0
        if row.url:
            assert urlsplit(row.url).scheme in ("http", "https"), row
            assert urlsplit(row.url).netloc
        else:
            assert (row.benchmark, row.kind) in downloads.PAGES, f"{row.file}: no URL and no page"
    shared = {(row.folder, row.file): row for row in downloads.FILES}
    assert all(
        (row.url, row.sha256) == (shared[row.folder, row.file].url, shared[row.folder, row.file].sha256)
        for row in downloads.FILES
    )


def test_the_hashes_are_those_of_the_real_files(real_refcoco: Path) -> None:
    """Guards against a hash that refuses the very file it is meant for."""
    known = {row.file: row for row in downloads.files_of("refcoco", "annotations")}
    for path in sorted(real_refcoco.glob("REC_*.jsonl.gz")):
        content = gzip.decompress(path.read_bytes())
        row = known.pop(path.name.removesuffix(".gz"))
        assert (row.size, row.sha256) == (len(content), hashlib.sha256(content).hexdigest()), row
    assert not known


def test_every_benchmark_can_be_got() -> None:
    """Guards a benchmark that was added without saying where its annotations and pictures come from."""
    for name in all_benchmarks():
        rows = downloads.files_of(name)
        kinds = {row.kind for row in rows} | {kind for kind, _ in downloads.pages_of(name)}
        assert "annotations" in kinds, name
        listed = name in picture_lists.LISTS
        assert "pictures" in kinds or listed or any("and" in row.note for row in rows), name


def test_all_is_fetched_unpacked_and_recorded(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards the way from nothing to files that prepare can read, and the command that follows."""
    fetch.fetch("bench", Wanted(tmp_path, yes=True), ["coco/val2014"], table(server), QUICK)
    assert (tmp_path / "bench/val.json").read_bytes() == ROWS
    assert (tmp_path / "coco/val2014/2.jpg").read_bytes() == b"two"
    assert read_sums(tmp_path / "coco") == {
        "val2014.zip": Sum(hashlib.sha256(PICTURES).hexdigest(), len(PICTURES), server.url("/val2014.zip"))
    }
    told = capsys.readouterr().out
    assert (
        f"then: python -m data_scripts prepare bench --raw {tmp_path}/bench --out data "
        f"--images coco/val2014={tmp_path}/coco/val2014\n" in told
    )


def test_the_sums_are_those_of_sha256sum(server: Server, tmp_path: Path) -> None:
    """Guards the form of SHA256SUMS: anyone can check it without us."""
    fetch.fetch("bench", Wanted(tmp_path, yes=True), None, table(server), QUICK)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path / "coco", check=True)


def test_a_second_run_downloads_nothing(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards 13 GB: a finished file is not fetched again, not even after its archive was deleted."""
    fetch.fetch("bench", Wanted(tmp_path, yes=True), None, table(server), QUICK)
    asked = [len(served.asked) for served in server.files.values()]
    fetch.fetch("bench", Wanted(tmp_path), None, table(server), QUICK)
    (tmp_path / "coco/val2014.zip").unlink()
    fetch.fetch("bench", Wanted(tmp_path), None, table(server), QUICK)
    assert [len(served.asked) for served in server.files.values()] == asked
    assert capsys.readouterr().out.count("nothing was downloaded: all is there") == 2


def test_a_changed_file_is_found(server: Server, tmp_path: Path) -> None:
    """Guards against a file that was edited or damaged since: named, never silently used or replaced."""
    fetch.fetch("bench", Wanted(tmp_path, yes=True), None, table(server), QUICK)
    (tmp_path / "bench/val.json").write_bytes(b"{}")
    with pytest.raises(UserError, match=r"val\.json: its SHA-256 is .* delete it"):
        fetch.fetch("bench", Wanted(tmp_path, yes=True), None, table(server), QUICK)
    (tmp_path / "bench/val.json").unlink()
    fetch.fetch("bench", Wanted(tmp_path, yes=True), None, table(server), QUICK)
    assert (tmp_path / "bench/val.json").read_bytes() == ROWS


def test_a_file_put_there_by_hand_is_taken(server: Server, tmp_path: Path) -> None:
    """Guards files from another machine: recorded, held against the published hash, unpacked."""
    (tmp_path / "coco").mkdir()
    (tmp_path / "coco/val2014.zip").write_bytes(PICTURES)
    row = table(server)[1]
    with pytest.raises(UserError, match="that of the file published is 0000"):
        fetch.fetch("bench", Wanted(tmp_path), None, [row._replace(sha256="0" * 64)], QUICK)
    fetch.fetch("bench", Wanted(tmp_path), None, [row], QUICK)
    assert (tmp_path / "coco/val2014/1.jpg").exists()
    assert server.files["/val2014.zip"].asked == []
    assert read_sums(tmp_path / "coco")["val2014.zip"].url == ""


def test_lost_pictures_are_unpacked_again(server: Server, tmp_path: Path) -> None:
    """Guards the mark of an unpacked archive against folders that were deleted since."""
    fetch.fetch("bench", Wanted(tmp_path, yes=True), None, table(server), QUICK)
    for path in (tmp_path / "coco/val2014").iterdir():
        path.unlink()
    (tmp_path / "coco/val2014").rmdir()
    fetch.fetch("bench", Wanted(tmp_path), None, table(server), QUICK)
    assert (tmp_path / "coco/val2014/1.jpg").exists()


@pytest.mark.parametrize(
    "name", ["SHA256SUMS", ".unpacked/val2014.zip.json", "other.zip", "b.zip.part", "val2014.zip/x"]
)
def test_an_archive_replaces_nothing_of_ours(name: str, server: Server, tmp_path: Path) -> None:
    """Guards sums, marks, other archives and unfinished downloads against an archive that has their names."""
    server.put("/val2014.zip", packed({"val2014/1.jpg": b"one", name: b"evil"}))
    folder = tmp_path / "coco"
    folder.mkdir()
    write_sums(folder, {"other.zip": Sum("0" * 64, 5, "")})
    for kept in ("other.zip", "b.zip.part"):
        (folder / kept).write_bytes(b"whole")
    rows = [*table(server), File("bench", "pictures", "b.zip", unpack=True, shared="coco")]
    with pytest.raises(DataError, match=r"val2014\.zip: '.*' in it would .*; the archive is not used"):
        fetch.fetch("bench", Wanted(tmp_path, yes=True), None, rows, QUICK)
    assert set(read_sums(folder)) == {"other.zip", "val2014.zip"}
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".zip", ".part")}
    assert found["other.zip"] == found["b.zip.part"] == b"whole"
    assert not (folder / "val2014").exists()


def test_a_bad_archive_is_one_line_and_a_retry_works(server: Server, tmp_path: Path) -> None:
    """Guards the way back: the damaged file is named, deleting it and the same command mend all."""
    server.put("/val2014.zip", PICTURES[:-30])
    with pytest.raises(DataError, match=r"val2014\.zip: the archive is truncated or damaged"):
        fetch.fetch("bench", Wanted(tmp_path, yes=True), None, table(server), QUICK)
    assert not (tmp_path / "coco/val2014").exists()
    (tmp_path / "coco/val2014.zip").unlink()
    server.put("/val2014.zip", PICTURES)
    fetch.fetch("bench", Wanted(tmp_path, yes=True), None, table(server), QUICK)
    assert (tmp_path / "coco/val2014/1.jpg").exists()


def test_room_for_unpacking_is_asked_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a disk that holds the archive but not the pictures in it: said before an hour's download."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 0, transfer.SPARE + 150))
    with pytest.raises(UserError, match="downloading and unpacking needs 200 bytes, 150 are free"):
        fetch.fetch("bench", Wanted(tmp_path, yes=True), None, [table(server)[1]._replace(size=100)], QUICK)
    assert server.files["/val2014.zip"].asked == []


def test_one_refusal_does_not_stop_the_others(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards against a whole evening for one dead link: the rest is fetched, and every failure is named."""
    rows = [
        File("bench", "annotations", "gone.json", server.url("/gone.json")),
        File("bench", "annotations", "lost.json", server.url("/lost.json")),
        *table(server),
    ]
    with pytest.raises(UserError, match=r"/lost\.json: the server answers 404"):
        fetch.fetch("bench", Wanted(tmp_path, yes=True), None, rows, QUICK)
    assert "/gone.json: the server answers 404" in capsys.readouterr().err
    assert (tmp_path / "bench/val.json").exists()


@pytest.mark.parametrize(("answer", "agreed"), [("y", True), (" YES ", True), ("", False), ("n", False)])
def test_it_asks_before_downloading(answer: str, agreed: bool, server: Server, tmp_path: Path) -> None:
    """Guards a full disk by one wrong word: what would be downloaded is shown and asked first."""
    asked = []

    def ask(question: str) -> str:
        asked.append(question)
        return answer

    rows = [table(server)[0]._replace(size=len(ROWS)), table(server)[1]]
    if agreed:
        fetch.fetch("bench", Wanted(tmp_path), None, rows, QUICK, ask)
    else:
        with pytest.raises(UserError, match="nothing was downloaded"):
            fetch.fetch("bench", Wanted(tmp_path), None, rows, QUICK, ask)
    assert asked == ["download 2 files (19 B and 1 of unknown size)? [y/N] "]
    assert (tmp_path / "bench/val.json").exists() == agreed


def test_without_a_terminal_it_wants_yes(tmp_path: Path) -> None:
    """Guards scripts: nobody to ask means nothing downloaded, said so, and an exit code that stops."""
    command = [sys.executable, "-m", "data_scripts", "fetch", "textvqa", "--out", str(tmp_path / "a/b")]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "error: nothing was downloaded; to download 2 files (7.1 GB), add --yes" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_login_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the page of what no program may fetch: where, what, which files, which command; exit code 0."""
    ran = run(capsys, "fetch", "docvqa", "--out", tmp_path)
    assert ran.code == 0
    for part in (
        "nothing was downloaded",
        "annotations and pictures must be fetched by hand: the site wants a login",
        "1. open https://rrc.cvc.uab.es/?ch=17&com=downloads",
        f"put spdocvqa_qas.zip and spdocvqa_images.tar.gz into {tmp_path}/docvqa",
        f"then: python -m data_scripts prepare docvqa --raw {tmp_path}/docvqa --out data",
    ):
        assert part in ran.out


def test_files_fetched_by_hand_are_unpacked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the second half of that page: the same command takes what was put there, says what is left."""
    folder = tmp_path / "docvqa"
    folder.mkdir()
    (folder / "spdocvqa_qas.zip").write_bytes(packed({"val_v1.0_withQT.json": b"{}"}))
    ran = run(capsys, "fetch", "docvqa", "--out", tmp_path)
    assert ran.code == 0
    assert (folder / "val_v1.0_withQT.json").exists()
    assert "docvqa: pictures must be fetched by hand" in ran.out
    (folder / "spdocvqa_images.tar.gz").write_bytes(packed({"spdocvqa_images/1.png": b"1"}))
    assert "by hand" not in run(capsys, "fetch", "docvqa", "--out", tmp_path).out


def test_only_one_kind(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Guards --only: neither files nor pages of the other kind are shown."""
    ran = run(capsys, "fetch", "flickr30k", "--only", "pictures", "--out", tmp_path)
    assert ran.code == 0
    assert "flickr30k-images.tar.gz" in ran.out
    assert "caption_datasets.zip" not in ran.out


def test_few_shot_files_are_extra() -> None:
    """Guards 13 GB of training pictures against being fetched for an evaluation that needs none of them."""
    usual, more = downloads.files_of("vqav2"), downloads.files_of("vqav2", train=True)
    assert {row.file for row in more} - {row.file for row in usual} == {
        "v2_Questions_Train_mscoco.zip",
        "v2_Annotations_Train_mscoco.zip",
        "train2014.zip",
    }


def test_two_runs_do_not_meet(server: Server, tmp_path: Path) -> None:
    """Guards a .part against a second fetch that writes into it."""
    (tmp_path / "bench").mkdir()
    with (tmp_path / "bench" / files.LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another fetch is writing there"):
            fetch.fetch("bench", Wanted(tmp_path, yes=True), None, table(server), QUICK)


@pytest.mark.parametrize("text", ["nonsense\n", "# x y\n" + "0" * 64 + "  a\n", "0" * 64 + "  a\n"])
def test_a_damaged_list_of_sums_is_one_line(text: str, tmp_path: Path) -> None:
    """Guards against a traceback, and against trusting half a list."""
    (tmp_path / "SHA256SUMS").write_text(text)
    with pytest.raises(DataError, match=r"SHA256SUMS:\d: not a line of ours"):
        read_sums(tmp_path)


def test_sums_are_read_as_written(tmp_path: Path) -> None:
    """Guards names with blanks and files without a URL."""
    sums = {"a b.zip": Sum("0" * 64, 5, "https://example.org/a%20b.zip"), "c": Sum("f" * 64, 0, "")}
    write_sums(tmp_path, sums)
    assert read_sums(tmp_path) == sums


@pytest.mark.parametrize(
    "mark", ["", "[]", '{"sha256": "x"}', json.dumps({"sha256": "x", "entries": ["no"]})]
)
def test_a_damaged_mark_unpacks_again(mark: str, server: Server, tmp_path: Path) -> None:
    """Guards the note of what was unpacked: where it cannot be read, the archive is unpacked anew."""
    fetch.fetch("bench", Wanted(tmp_path, yes=True), None, table(server), QUICK)
    (tmp_path / "coco" / fetch.UNPACKED / "val2014.zip.json").write_text(mark)
    (tmp_path / "coco/val2014/1.jpg").write_bytes(b"damaged")
    fetch.fetch("bench", Wanted(tmp_path), None, table(server), QUICK)
    assert (tmp_path / "coco/val2014/1.jpg").read_bytes() == b"one"


@pytest.mark.parametrize(
    ("size", "shown"), [(None, "-"), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (13510573713, "13.5 GB")]
)
def test_sizes_are_read_at_a_glance(size: int | None, shown: str) -> None:
    """Guards the table: sizes are those of the unit a disk is sold in."""
    assert fetch.bytes_in_words(size) == shown


JPEG = b"\xff\xd8\xff\xe0 a picture"


def nocaps(server: Server, folder: Path, names: list[str]) -> None:
    """The annotations of NoCaps with pictures of the local server."""
    images = [
        {"id": i, "file_name": name, "coco_url": server.url(f"/{name}")} for i, name in enumerate(names)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nocaps_val_4500_captions.json").write_text(json.dumps({"images": images, "annotations": []}))


def test_listed_pictures_are_fetched_one_by_one(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards NoCaps, whose pictures have no archive: all that are missing, none that are there."""
    names = [f"{i:016x}.jpg" for i in range(50)]
    nocaps(server, tmp_path / "nocaps", names)
    for name in names:
        server.put(f"/{name}", JPEG + name.encode())
    (tmp_path / "nocaps/val").mkdir()
    (tmp_path / "nocaps/val" / names[7]).write_bytes(b"mine")
    fetch.fetch("nocaps", Wanted(tmp_path, "pictures", yes=True), ["nocaps/val"], None, QUICK)
    told = capsys.readouterr().out
    assert "nocaps/val: 1 of 50 pictures are there" in told
    assert f"--images nocaps/val={tmp_path}/nocaps/val" in told
    found = {path.name: path.read_bytes() for path in (tmp_path / "nocaps/val").iterdir()}
    assert found == {name: JPEG + name.encode() for name in names} | {names[7]: b"mine"}


def test_a_picture_that_is_gone_does_not_stop_the_others(server: Server, tmp_path: Path) -> None:
    """Guards covers that a shop has taken down: counted, the first named; a placeholder is no picture."""
    nocaps(server, tmp_path / "nocaps", ["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    server.put("/a.jpg", JPEG)
    server.put("/c.jpg", b"GIF89a\x01\x00\x01\x00")
    server.put("/d.jpg", JPEG)
    with pytest.raises(UserError, match=r"nocaps/val: 2 of 4 pictures are not there; the first: http"):
        fetch.fetch("nocaps", Wanted(tmp_path, "pictures", yes=True), None, None, QUICK)
    assert sorted(path.name for path in (tmp_path / "nocaps/val").iterdir()) == ["a.jpg", "d.jpg"]


def test_a_host_that_refuses_is_not_asked_thousands_of_times(server: Server, tmp_path: Path) -> None:
    """Guards the user's evening and the host: after some refusals and no success it ends."""
    names = [f"{i}.jpg" for i in range(500)]
    nocaps(server, tmp_path / "nocaps", names)
    refused = [server.put(f"/{name}", JPEG, statuses=[403]) for name in names]
    with pytest.raises(UserError, match="500 of 500 pictures are not there"):
        fetch.fetch("nocaps", Wanted(tmp_path, "pictures", yes=True), None, None, QUICK)
    assert sum(len(served.asked) for served in refused) < 100


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        '{"images": [{}]}',
        '{"images": [{"coco_url": 1, "file_name": "a.jpg"}]}',
        '{"images": [{"coco_url": "http://a/a.jpg", "file_name": "../a.jpg"}]}',
        '{"images": [{"coco_url": "http://a/a.jpg", "file_name": ".."}]}',
        '{"images": [{"coco_url": ["x"], "file_name": "a.jpg"}]}',
    ],
)
def test_a_list_of_pictures_is_checked(content: str, tmp_path: Path) -> None:
    """Guards against names that lead out of the folder, and against tracebacks from another form."""
    (tmp_path / "nocaps").mkdir()
    (tmp_path / "nocaps/nocaps_val_4500_captions.json").write_text(content)
    with pytest.raises(DataError, match=r"nocaps_val_4500_captions\.json: "):
        fetch.fetch("nocaps", Wanted(tmp_path, "pictures", yes=True), None, None, QUICK)


def test_covers_are_named_as_rows_name_them() -> None:
    """Guards OCR-VQA's names, key and ending of the URL; training covers are five times as many."""
    books = {
        "0761183272": {"imageURL": "http://example.org/I/61Y5cOdHJbL.jpg", "split": 1},
        "1419720392": {"imageURL": "http://example.org/I/51.5.gif", "split": 3},
    }
    read = picture_lists.LISTS["ocrvqa"].read
    assert list(read(books, False)) == [("http://example.org/I/51.5.gif", "1419720392.gif")]
    assert [name for _, name in read(books, True)] == ["0761183272.jpg", "1419720392.gif"]


def test_without_its_list_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the order: the covers of OCR-VQA come after dataset.json, which is fetched by hand."""
    ran = run(capsys, "fetch", "ocrvqa", "--out", tmp_path)
    assert ran.code == 0
    assert f"{tmp_path}/ocrvqa/images: its pictures can be fetched once dataset.json is there" in ran.out
    assert "put dataset.json into" in ran.out
