"""`frames`: from prepared rows and a folder of clips to pictures, a table and a report."""

import time
from pathlib import Path
from typing import Any

import pytest

from data_scripts import frames, video
from data_scripts.video import Ask, Unreadable, indices
from eval_mm import files
from tests.data_scripts.clips import numbers_in, write_clip
from tests.data_scripts.support import Fields, Ran, read_jsonl, run, tree

Capture = pytest.CaptureFixture[str]
ROWS = "seedbench/seedbench_video.jsonl"
CLIPS = {10: "7.webm", 11: "P03/P03_24.MP4", 12: "P06/cam01/P06_cereals.avi"}
CODECS = {10: "libvpx-vp9", 11: "libx264", 12: "mpeg4"}
SEGMENTS: dict[int, Any] = {10: None, 11: [1.0, 3.0], 12: [8, 30]}


def row(name: str, dimension: int, **changes: Any) -> Fields:
    """A row as prepare writes it."""
    segment = SEGMENTS[dimension]
    return {
        "id": f"{name}:{dimension}",
        "images": [f"seedbench/video/{name}/{number}.png" for number in range(4)],
        "question": "What happens?",
        "choices": ["a", "b", "c", "d"],
        "answer": 0,
        "category": str(dimension),
        "clip": CLIPS[dimension],
        **({} if segment is None else {"segment": segment}),
    } | changes


def given(tmp_path: Path, rows: list[Fields]) -> None:
    files.write_all({tmp_path / "data" / ROWS: files.jsonl(rows)})


def made(tmp_path: Path, capsys: Capture, *flags: object) -> Ran:
    flags = flags or ("--workers", 1)
    return run(
        capsys, "frames", "seedbench", "--clips", tmp_path / "clips", "--data", tmp_path / "data", *flags
    )


def write_all_clips(tmp_path: Path, length: int = 60) -> None:
    """One clip of each data set, in the layout of its distribution."""
    write_clip(tmp_path / "clips/20bn-something-something-v2/7.webm", length, CODECS[10])
    write_clip(tmp_path / "clips/EPIC-KITCHENS/P03/videos/P03_24.MP4", length, CODECS[11])
    write_clip(tmp_path / "clips/breakfast/P06/cam01/P06_cereals.avi", length, CODECS[12])


@pytest.mark.parametrize("workers", [1, 2])
def test_every_dimension(tmp_path: Path, capsys: Capture, workers: int) -> None:
    """Guards the whole way: clips found in their own layouts, the formula's frames, what is told."""
    rows = [row("v1", 10), row("v2", 11), row("v3", 12), row("v4", 12, segment=[0, 20])]
    given(tmp_path, rows)
    write_all_clips(tmp_path)
    ran = made(tmp_path, capsys, "--workers", workers)
    assert ran.code == 0, ran.err
    for one in rows:
        found = one.get("segment")
        expected = indices(60, 15.0, None if found is None else tuple(found))
        assert numbers_in(tmp_path / "data/seedbench/video" / one["id"].partition(":")[0]) == expected
    assert read_jsonl(tmp_path / "data" / ROWS) == rows
    table = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert table[-3:] == ["10 1 1 0 0", "11 1 1 0 0", "12 2 2 0 0"]
    assert sorted(path.name for path in (tmp_path / "data/seedbench").iterdir()) == [
        "seedbench_video.jsonl",
        "video",
    ]


def test_what_is_there_is_not_made_again(tmp_path: Path, capsys: Capture) -> None:
    """Guards resuming after hours: only what is missing or cut off is decoded, also without the clips."""
    given(tmp_path, [row("v1", 10), row("v2", 11)])
    write_all_clips(tmp_path)
    assert made(tmp_path, capsys).code == 0
    before = tree(tmp_path / "data")
    whole, cut = (tmp_path / f"data/seedbench/video/{name}/2.png" for name in ("v1", "v2"))
    stamp = whole.stat().st_mtime_ns
    cut.write_bytes(cut.read_bytes()[:-1])
    leftover = tmp_path / "data/seedbench/video/.v2.tmp"
    leftover.mkdir()
    (leftover / "0.png").touch()
    (cut.parent / "3.png").unlink()
    time.sleep(0.01)
    assert made(tmp_path, capsys).code == 0
    assert whole.stat().st_mtime_ns == stamp
    assert tree(tmp_path / "data") == before
    (tmp_path / "clips/20bn-something-something-v2/7.webm").unlink()
    assert made(tmp_path, capsys).code == 0
    assert tree(tmp_path / "data") == before


def test_clips_that_fail_are_reported_and_keep_their_rows(tmp_path: Path, capsys: Capture) -> None:
    """Guards the rest of a run against one bad clip, and the list of what to mend; mended, it is gone."""
    rows = [row("v1", 10), row("v2", 11), row("v3", 12), row("v4", 12, segment=[90, 99])]
    given(tmp_path, rows)
    write_all_clips(tmp_path)
    bad = tmp_path / "clips/20bn-something-something-v2/7.webm"
    good = bad.read_bytes()
    bad.write_bytes(b"no video")
    lost = tmp_path / "clips/EPIC-KITCHENS/P03/videos/P03_24.MP4"
    lost.rename(tmp_path / "kept")
    ran = made(tmp_path, capsys)
    assert ran.code == 3, ran.err
    report = tmp_path / "data/seedbench/unreadable_clips.tsv"
    lines = [line.split("\t") for line in report.read_text().splitlines()]
    assert [line[:3] for line in lines] == [
        ["id", "clip", "problem"],
        ["v1:10", "7.webm", "clip unreadable"],
        ["v2:11", "P03/P03_24.MP4", "clip not found"],
        ["v4:12", "P06/cam01/P06_cereals.avi", "clip unreadable"],
    ]
    assert lines[1][3].startswith("Invalid data")
    assert lines[3][3] == "no frame lies in (90, 99): the clip has 60 frames"
    assert "3 questions have no frames" in ran.out
    assert [" ".join(line.split()) for line in ran.out.splitlines()][2:5] == [
        "10 1 0 0 1",
        "11 1 0 1 0",
        "12 2 1 0 1",
    ]
    assert read_jsonl(tmp_path / "data" / ROWS) == rows
    bad.write_bytes(good)
    (tmp_path / "kept").rename(lost)
    given(tmp_path, rows[:3])
    assert made(tmp_path, capsys).code == 0
    assert not report.exists()


def test_a_short_clip_shortens_its_row(tmp_path: Path, capsys: Capture) -> None:
    """Guards rows that name pictures which no clip can give; prepared anew, they are settled again."""
    rows = [row("v1", 10), row("v2", 11)]
    given(tmp_path, rows)
    write_all_clips(tmp_path, length=4)
    for _ in range(2):
        given(tmp_path, rows)
        assert made(tmp_path, capsys).code == 3  # seconds 1 to 3 lie behind the end of the other clip
        first, second = read_jsonl(tmp_path / "data" / ROWS)
        assert first == rows[0] | {"images": rows[0]["images"][:3]}
        assert second == rows[1]


def test_a_camera_is_not_taken_for_another(tmp_path: Path, capsys: Capture) -> None:
    """Guards Breakfast, whose cameras have files of one name: the other camera's clip is no substitute."""
    given(tmp_path, [row("v1", 10), row("v3", 12)])
    write_clip(tmp_path / "clips/7.webm", 60, CODECS[10])
    write_clip(tmp_path / "clips/P06/cam02/P06_cereals.avi", 60, CODECS[12])
    ran = made(tmp_path, capsys)
    assert ran.code == 3
    assert (
        "v3:12\tP06/cam01/P06_cereals.avi\tclip not found"
        in (tmp_path / "data/seedbench/unreadable_clips.tsv").read_text()
    )


def test_damage_costs_only_its_own_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards an hour of video with a damaged end: questions about its beginning get their frames."""

    def extract(clip: Path, asks: list[Ask]) -> dict[Ask, str]:
        if any(ask.segment == (90.0, 99.0) for ask in asks):
            raise Unreadable("damaged")
        return {}

    monkeypatch.setattr(video, "extract", extract)
    asks = [Ask(tmp_path / "a", (1.0, 2.0)), Ask(tmp_path / "b", (90.0, 99.0))]
    assert frames.clip_frames(tmp_path, asks) == {tmp_path / "b": "damaged"}


@pytest.mark.parametrize(
    ("rows", "flags", "message"),
    [
        ([], (), "seedbench_video.jsonl: no such file; prepare the benchmark first"),
        ([row("v1", 10)], (), "none of the 1 clips is there; looked for 7.webm and the like"),
        ([row("v1", 10)], ("--clips", "nosuch"), "--clips nosuch: no such folder"),
        ([row("v1", 10)], ("--workers", 0), "--workers 0: expected 1 or more"),
        (
            [row("v1", 10, clip="../7.webm")],
            (),
            ":1: field 'clip': expected a path relative to the data root",
        ),
        ([row("v1", 10, images=["a/0.png", "b/1.png"])], (), ":1: field 'images': expected pictures of one"),
        ([row("v1", 10, segment=5)], (), ":1: field 'segment': expected two numbers, start and end, got 5"),
        ([row("v1", 10, segment=[])], (), ":1: field 'segment': expected two numbers, start and end, got a"),
        ([row("v1", 11, segment=["1", "2"])], (), ":1: field 'segment': expected two numbers"),
        ([row("v1", 12, segment=[-8, 30])], (), ":1: field 'segment': expected whole frames from 0 on"),
        ([row("v1", 10, category=10)], (), ":1: field 'category': expected a string, got 10"),
        ([row("v1", 10, id="")], (), ":1: field 'id': expected text that is not blank"),
    ],
)
def test_what_the_user_can_mend_is_one_line(
    tmp_path: Path, capsys: Capture, rows: list[Fields], flags: tuple[object, ...], message: str
) -> None:
    """Guards the wrong folder, which would report five thousand lost clips, and rows of another kind."""
    (tmp_path / "clips").mkdir()
    if rows:
        given(tmp_path, rows)
    ran = made(tmp_path, capsys, *flags)
    assert ran.code == 2
    (line,) = ran.err.splitlines()
    assert message in line
