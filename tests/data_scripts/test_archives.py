"""Archives: good ones of every kind, hostile ones, damaged ones."""

import bz2
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import tracemalloc
import zipfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_scripts import archives
from data_scripts.archives import open_member, unpack
from eval_mm import files
from eval_mm.errors import DataError, UserError

FILES = {
    "questions/testdev.json": b'{"201": {"question": "What is it?"}}' * 20,
    "questions/deep/er/picture.png": bytes(range(256)) * 40,
    "readme.txt": "Grüße\n".encode(),
}


def make_zip(files: dict[str, bytes] = FILES, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def make_tar(files: dict[str, bytes] = FILES) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        end = archive.offset + 1024
    return packed.getvalue()[:end]  # without the padding, of which a cut costs nothing


def tar_of(*infos: tarfile.TarInfo) -> bytes:
    """A tar file of members without content."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for info in infos:
            archive.addfile(info)
    return packed.getvalue()


def tar_link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_special(name: str, content: str, mode: int) -> bytes:
    """A zip file of one member that is a link or a device."""
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(info, content)
    return packed.getvalue()


def put(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() or path.is_symlink()
    }


GOOD: dict[str, Callable[[], bytes]] = {
    "stored.zip": lambda: make_zip(compression=zipfile.ZIP_STORED),
    "deflated.zip": make_zip,
    "plain.tar": make_tar,
    "packed.tar.gz": lambda: gzip.compress(make_tar(), mtime=0),
    "packed.tgz": lambda: gzip.compress(make_tar(), mtime=0),
    "packed.tar.bz2": lambda: bz2.compress(make_tar()),
    "packed.tar.xz": lambda: lzma.compress(make_tar()),
    "zip.called.tar.gz": make_zip,
    "tar.called.zip": lambda: gzip.compress(make_tar(), mtime=0),
}


@pytest.mark.parametrize("name", GOOD)
def test_every_kind_is_unpacked(name: str, tmp_path: Path) -> None:
    """Guards each kind, known by content: half of the published archives have names of their own making."""
    entries = unpack(put(tmp_path, name, GOOD[name]()), tmp_path / "out")
    assert tree(tmp_path / "out") == FILES
    assert entries == [tmp_path / "out/questions", tmp_path / "out/readme.txt"]


def test_a_single_gz_file_is_unpacked(tmp_path: Path) -> None:
    """Guards annotation files that are published packed one by one."""
    path = put(tmp_path, "rows.jsonl.gz", gzip.compress(b'{"id": 1}\n', mtime=0))
    assert unpack(path, tmp_path / "out") == [tmp_path / "out/rows.jsonl"]
    assert (tmp_path / "out/rows.jsonl").read_bytes() == b'{"id": 1}\n'


def test_unpacking_again_replaces(tmp_path: Path) -> None:
    """Guards a retry, and a newer archive: entries are replaced as a whole, others stay."""
    out = tmp_path / "out"
    unpack(put(tmp_path, "a.zip", make_zip({"val/1.jpg": b"one", "val/2.jpg": b"two"})), out)
    (out / "mine.txt").write_text("mine")
    unpack(put(tmp_path, "a.zip", make_zip({"val/3.jpg": b"three"})), out)
    assert tree(out) == {"mine.txt": b"mine", "val/3.jpg": b"three"}


def test_what_an_earlier_run_left_is_removed(tmp_path: Path) -> None:
    """Guards a machine that was switched off while unpacking: its half lies in a hidden folder."""
    half = tmp_path / "out/.a.zip.123.unpacking/new"
    half.mkdir(parents=True)
    (half / "x").write_text("half")
    unpack(put(tmp_path, "a.zip", make_zip()), tmp_path / "out")
    assert tree(tmp_path / "out") == FILES


def test_what_macos_adds_is_left_out(tmp_path: Path) -> None:
    """Guards folders of pictures against ._files that no decoder can read."""
    archive = put(
        tmp_path,
        "a.zip",
        make_zip({"a/1.jpg": b"1", "__MACOSX/a/._1.jpg": b"?", "a/.DS_Store": b"?", "._a": b"?"}),
    )
    unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {"a/1.jpg": b"1"}


OUTSIDE = [
    "../evil.txt",
    "a/../../evil.txt",
    "/tmp/evil.txt",
    "\\evil.txt",
    "..\\evil.txt",
    "C:\\evil.txt",
    "C:evil.txt",
    "//server/share/evil.txt",
]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_no_member_leaves_the_folder(make: Callable[..., bytes], name: str, tmp_path: Path) -> None:
    """Guards every file of the user against an archive; the line names archive and member."""
    archive = put(tmp_path / "in", "a.bin", make({"good.txt": b"good", name: b"evil"}))
    with pytest.raises(DataError) as raised:
        unpack(archive, tmp_path / "box" / "out")
    assert str(archive) in str(raised.value)
    assert f"'{name}' would be written outside" in str(raised.value)
    assert tree(tmp_path) == {"in/a.bin": archive.read_bytes()}


LINKS: dict[str, tuple[bytes, str]] = {
    "symbolic, up": (tar_of(tar_link("a/b", "../../etc/passwd")), "outside the folder"),
    "symbolic, absolute": (tar_of(tar_link("a", "/etc/passwd")), "outside the folder"),
    "hard, up": (tar_of(tar_link("a", "../passwd", tarfile.LNKTYPE)), "outside the folder"),
    "hard, absolute": (tar_of(tar_link("a", "/etc/passwd", tarfile.LNKTYPE)), "outside the folder"),
    "to nothing": (tar_of(tar_link("a", "b")), "which is no file of it"),
    "to itself": (tar_of(tar_link("a", "a")), "which is no file of it"),
    "zip, up": (zip_special("a", "../../etc/passwd", stat.S_IFLNK | 0o777), "outside the folder"),
    "zip, absolute": (zip_special("a", "/etc/passwd", stat.S_IFLNK | 0o777), "outside the folder"),
    "fifo": (tar_of(tar_link("a", "", tarfile.FIFOTYPE)), "device or pipe"),
    "device": (tar_of(tar_link("a", "", tarfile.CHRTYPE)), "device or pipe"),
    "zip, device": (zip_special("a", "", stat.S_IFBLK | 0o777), "device or pipe"),
}


@pytest.mark.parametrize("case", LINKS)
def test_links_that_lead_out_are_refused(case: str, tmp_path: Path) -> None:
    """Guards against a link to the user's files, by which the next member would be written there."""
    content, said = LINKS[case]
    archive = put(tmp_path / "in", "a.bin", content)
    with pytest.raises(DataError, match=said):
        unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {}


def test_a_member_below_a_link_stays_inside(tmp_path: Path) -> None:
    """Guards the old trick: a link to a folder outside, then a file below the link."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tar_link("a", str(tmp_path)))
        info = tarfile.TarInfo("a/evil.txt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"evil"))
    with pytest.raises(DataError):
        unpack(put(tmp_path, "a.tar", packed.getvalue()), tmp_path / "out")
    assert not (tmp_path / "evil.txt").exists()


def test_links_that_stay_inside_become_copies(tmp_path: Path) -> None:
    """Guards archives that name a file twice; no link is ever made, so none can be turned later."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tar_link("a/link.txt", "../b/real.txt"))
        archive.addfile(tar_link("hard.txt", "b/real.txt", tarfile.LNKTYPE))
        info = tarfile.TarInfo("b/real.txt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"real"))
    unpack(put(tmp_path, "a.tar", packed.getvalue()), tmp_path / "out")
    assert tree(tmp_path / "out") == dict.fromkeys(("a/link.txt", "b/real.txt", "hard.txt"), b"real")
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_archive_leaves_nothing(name: str, share: float, tmp_path: Path) -> None:
    """Guards a download that was cut: one line with the archive, nothing half-unpacked, and a retry works."""
    whole = GOOD[name]()
    archive = put(tmp_path, name, whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match="download it again") as raised:
        unpack(archive, tmp_path / "out")
    assert str(archive) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert list((tmp_path / "out").iterdir()) == []
    archive.write_bytes(whole)
    unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == FILES


def test_damage_names_the_member(tmp_path: Path) -> None:
    """Guards the search among 120,000 members for the one that is damaged."""
    content = bytearray(make_zip(compression=zipfile.ZIP_STORED))
    content[content.index(FILES["readme.txt"])] ^= 1
    archive = put(tmp_path, "a.zip", bytes(content))
    with pytest.raises(DataError, match=r"member 'readme.txt' is truncated or damaged"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("name", ["deflated.zip", "packed.tar.gz", "packed.tar.bz2", "packed.tar.xz"])
@settings(max_examples=60, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), min_size=1, max_size=4))
def test_no_damage_crashes(
    name: str, changes: list[tuple[float, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Guards against tracebacks: whatever bits have turned, it is one line or the whole content."""
    content = bytearray(GOOD[name]())
    for place, bits in changes:
        content[int(place * len(content))] ^= bits
    folder = tmp_path_factory.mktemp("damaged")
    archive = put(folder, name, bytes(content))
    try:
        unpack(archive, folder / "out")
    except UserError:
        assert list((folder / "out").iterdir()) == []


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    """Guards the line for a page or a JSON file that is called .zip."""
    with pytest.raises(DataError, match="not a zip, tar or gzip archive"):
        unpack(put(tmp_path, "a.zip", b"<html>"), tmp_path / "out")
    with pytest.raises(DataError, match="an empty file"):
        unpack(put(tmp_path, "a.zip", b""), tmp_path / "out")
    with pytest.raises(DataError, match="is empty"):
        unpack(put(tmp_path, "a.zip", make_zip({})), tmp_path / "out")


def test_encrypted_members_are_said(tmp_path: Path) -> None:
    """Guards the RuntimeError that zipfile raises for a password."""
    content = bytearray(make_zip({"a.txt": b"secret"}))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + offset] |= 1
    with pytest.raises(DataError, match=r"member 'a.txt' is encrypted"):
        unpack(put(tmp_path, "a.zip", bytes(content)), tmp_path / "out")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_bomb_is_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the disk against an archive that unpacks to thousands of times its size, listed or not."""
    monkeypatch.setattr(files, "SMALL", 1 << 20)
    zeros = {"zeros": bytes(8 << 20)}
    content = make_zip(zeros) if kind == "zip" else gzip.compress(make_tar(zeros), mtime=0)
    with pytest.raises(DataError, match="unpacks to more than"):
        unpack(put(tmp_path, f"a.{kind}", content), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def extended(name: str, kind: bytes, content: bytes) -> bytes:
    """A header of a tar file that says more of the member behind it."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


HEADERS: dict[str, tuple[bytes, str]] = {
    "pax": (extended("x", tarfile.XHDTYPE, bytes(4 << 20)), "more than 1,048,576 bytes of headers"),
    "global": (extended("x", tarfile.XGLTYPE, bytes(4 << 20)), "more than 1,048,576 bytes of headers"),
    "name": (extended("x", tarfile.GNUTYPE_LONGNAME, b"a" * (4 << 20)), "more than 1,048,576 bytes"),
    "link": (extended("x", tarfile.GNUTYPE_LONGLINK, b"a" * (4 << 20)), "more than 1,048,576 bytes"),
    "chain": (extended("x", tarfile.XHDTYPE, b"11 path=abc\n") * 900, "truncated or damaged"),
}


@pytest.mark.parametrize("place", ["first", "second"])
@pytest.mark.parametrize("case", HEADERS)
def test_headers_are_not_read_without_end(case: str, place: str, tmp_path: Path) -> None:
    """Guards the memory: tarfile reads a header whole, and 0.6 MB packed can hold one of 600 MB."""
    content, said = HEADERS[case]
    before = make_tar({"a.txt": bytes(3 << 20)})[:-1024] if place == "second" else b""
    archive = put(tmp_path, "a.tar.gz", gzip.compress(before + content + make_tar(), mtime=0))
    with pytest.raises(DataError, match=said) as raised:
        unpack(archive, tmp_path / "out")
    assert "\n" not in str(raised.value)
    with pytest.raises(DataError, match=said):
        open_member(archive, lambda name: name == "readme.txt")
    assert list((tmp_path / "out").iterdir()) == []


def test_long_names_and_large_members_are_no_bombs(tmp_path: Path) -> None:
    """Guards the bound of headers against counting contents, those that are passed over too."""
    files = {"a long name/" * 60 + "a.txt": b"1", "big": bytes(5 << 20), "wanted.json": b"{}"}
    archive = put(tmp_path, "a.tar.gz", gzip.compress(make_tar(files), mtime=0))
    assert open_member(archive, lambda name: name == "wanted.json") == ("wanted.json", b"{}")
    unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == files


def test_members_passed_over_are_forgotten(tmp_path: Path) -> None:
    """Guards the memory: a million empty members pack into 1 MB, and tarfile would keep a record of each."""
    archive = put(
        tmp_path, "a.tar.gz", gzip.compress(tarfile.TarInfo("x").tobuf() * 10_000 + bytes(1024), mtime=0)
    )
    tracemalloc.start()
    with pytest.raises(DataError, match=r"it has x, x, x, x, x and 9,995 more"):
        open_member(archive, lambda name: name == "readme.txt")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize("name", [".unpacked/a.zip.json", ".lock", "SHA256SUMS", "sha256sums/x", "b.zip"])
def test_what_is_kept_is_not_replaced(make: Callable[..., bytes], name: str, tmp_path: Path) -> None:
    """Guards what fetch notes beside the archives: sums, marks, locks, other archives."""
    out = tmp_path / "out"
    for kept in (".unpacked/a.zip.json", ".lock", "SHA256SUMS", "b.zip"):
        (out / kept).parent.mkdir(parents=True, exist_ok=True)
        (out / kept).write_text("kept")
    before = tree(out)
    archive = put(tmp_path, "a.bin", make({"good.txt": b"good", name: b"evil"}))
    with pytest.raises(DataError, match=r"a\.bin: '.*' in it would .*; the archive is not used"):
        unpack(archive, out, {"SHA256SUMS", "b.zip"})
    assert tree(out) == before


@pytest.mark.parametrize("name", ["deflated.zip", "packed.tar.gz"])
def test_a_small_disk_is_said(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the last bytes of the disk: what does not fit is not begun, or taken back."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 0, archives.SPARE + 100))
    with pytest.raises(UserError, match="more than the 100 bytes that are free"):
        unpack(put(tmp_path, name, GOOD[name]()), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_that_is_a_folder_too(tmp_path: Path) -> None:
    """Guards the OSError of a member below a member that is a file."""
    with pytest.raises(DataError, match="both as a file and as a folder"):
        unpack(put(tmp_path, "a.zip", make_zip({"a": b"file", "a/b": b"below"})), tmp_path / "out")


@pytest.mark.parametrize("name", GOOD)
def test_one_member_is_read_alone(name: str, tmp_path: Path) -> None:
    """Guards reading one JSON file out of an archive of gigabytes, without writing anything."""
    archive = put(tmp_path, name, GOOD[name]())
    found = open_member(archive, lambda member: member.endswith(".json"))
    assert found == ("questions/testdev.json", FILES["questions/testdev.json"])
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_member_that_is_not_there(tmp_path: Path) -> None:
    """Guards the line: it names what the archive has instead."""
    archive = put(tmp_path, "a.zip", make_zip())
    with pytest.raises(DataError, match=r"it has questions/testdev.json, .*readme.txt"):
        open_member(archive, lambda name: name == "dev.json")


def test_a_single_gz_file_is_its_own_member(tmp_path: Path) -> None:
    """Guards a JSON file that is packed without a tar around it."""
    archive = put(tmp_path, "val.json.gz", gzip.compress(b"[]", mtime=0))
    assert open_member(archive, lambda name: name == "val.json") == ("val.json", b"[]")


def test_a_damaged_member_is_one_line(tmp_path: Path) -> None:
    """Guards reading from a truncated archive: the fault is the archive's, and it is said."""
    packed = gzip.compress(make_tar(), mtime=0)
    archive = put(tmp_path, "a.tar.gz", packed[: len(packed) // 3])
    with pytest.raises(DataError, match="truncated or damaged"):
        open_member(archive, lambda name: name == "readme.txt")


def test_a_huge_member_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the memory against a bomb of one member."""
    monkeypatch.setattr(files, "SMALL", 1 << 20)
    archive = put(tmp_path, "a.zip", make_zip({"a.json": bytes(8 << 20)}))
    with pytest.raises(DataError, match=r"member 'a.json' has more than"):
        open_member(archive, lambda name: name == "a.json")
