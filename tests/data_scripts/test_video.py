"""The frames of a clip: which ones the formula names, and that just these are extracted."""

from pathlib import Path

import pytest

from data_scripts.video import Ask, Segment, Unreadable, extract, indices, whole
from tests.data_scripts.clips import av, numbers_in, write_clip

WHOLE = [
    (45, [5, 16, 27, 37]),
    (12, [1, 3, 6, 9]),  # 2.5 and 7.5 are rounded to the even neighbour
    (5, [0, 1, 2, 2]),  # as published, a frame may be shown twice
    (4, [0, 1, 2]),  # three frames are left when the last is never chosen
    (2, [0]),
    (1, []),
    (0, []),
]
SECONDS: list[tuple[int, float, Segment, list[int]]] = [
    (300, 30.0, (1.0, 3.5), [39, 57, 76, 95]),
    (300, 30.0, (9.0, 20.0), [273, 280, 287, 294]),
    (300, 30.0, (-2.0, 1.0), [3, 10, 17, 25]),
    (300, 29.97, (1.0, 2.0), [32, 39, 46, 54]),
    (300, 30.0, (1.0, 1.1), [30, 31, 32]),
    (300, 30.0, (20.0, 30.0), []),
]
FRAMES: list[tuple[int, float, Segment, list[int]]] = [
    (1000, 15.0, (18, 166), [36, 73, 110, 146]),
    (100, 15.0, (18, 166), [28, 48, 68, 89]),
    (100, 15.0, (97, 166), [97, 98, 99]),
    (100, 15.0, (150, 166), []),
]


@pytest.mark.parametrize(
    ("length", "rate", "segment", "expected"),
    [*((length, 12.0, None, expected) for length, expected in WHOLE), *SECONDS, *FRAMES],
)
def test_the_formula(length: int, rate: float, segment: Segment, expected: list[int]) -> None:
    """Guards the published choice of frames, worked out by hand: rounding, clamping, too short a clip."""
    assert indices(length, rate, segment) == expected


KINDS = [
    ("clip.mkv", "ffv1"),
    ("clip.webm", "libvpx-vp9"),
    ("clip.avi", "mpeg4"),
    ("clip.mp4", "libx264"),
]


@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_just_these_frames_are_extracted(tmp_path: Path, name: str, codec: str) -> None:
    """Guards every dimension on clips of known frames: decoding order, frames shared by questions."""
    clip = write_clip(tmp_path / name, 60, codec)
    asked: list[Segment] = [None, (1.0, 3.5), (18, 50), (18, 166), (0.0, 99.0)]
    asks = [Ask(tmp_path / f"frames/{number}", segment) for number, segment in enumerate(asked)]
    assert extract(clip, asks) == {}
    for ask in asks:
        assert numbers_in(ask.folder) == indices(60, 15.0, ask.segment), ask.segment
        assert whole(ask.folder) == 4
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("segment", "expected"),
    [(None, [7, 21, 36, 51]), ((18, 50), [21, 29, 37, 44]), ((18, 99), [23, 33, 43, 54])],
)
def test_a_variable_frame_rate_shifts_nothing(tmp_path: Path, segment: Segment, expected: list[int]) -> None:
    """Guards frames counted by decoding, where counting by time would hit others."""
    clip = write_clip(tmp_path / "clip.mkv", 60, times=lambda index: index if index < 30 else 5 * index - 120)
    ask = Ask(tmp_path / "frames", segment)
    assert extract(clip, [ask]) == {}
    assert numbers_in(ask.folder) == expected == indices(60, 1.0, segment)


@pytest.mark.parametrize("segment", [None, (20, 58), (1.0, 99.0)])
def test_a_container_may_lie_about_its_length(tmp_path: Path, segment: Segment) -> None:
    """Guards a file that was cut off: its header still promises 60 frames."""
    clip = write_clip(tmp_path / "clip.avi", 60, "mpeg4")
    content = clip.read_bytes()
    clip.write_bytes(content[: len(content) * 7 // 8])
    with av.open(str(clip)) as container:
        stated = container.streams.video[0].frames
        real = sum(1 for _ in container.decode(video=0))
    assert stated == 60
    assert 25 < real < 57
    ask = Ask(tmp_path / "frames", segment)
    assert extract(clip, [ask]) == {}
    assert numbers_in(ask.folder) == indices(real, 15.0, segment) != indices(60, 15.0, segment)


def test_a_short_clip_has_fewer_frames(tmp_path: Path) -> None:
    """Guards pictures that are not there: of 4 frames 3 are shown, of 1 none, which is said."""
    three = Ask(tmp_path / "three", None)
    assert extract(write_clip(tmp_path / "4.mkv", 4), [three]) == {}
    assert numbers_in(three.folder) == [0, 1, 2]
    none, late = Ask(tmp_path / "none", None), Ask(tmp_path / "late", (5, 9))
    assert extract(write_clip(tmp_path / "1.mkv", 1), [none, late]) == {
        none: "no frame lies in it: the clip has 1 frames",
        late: "no frame lies in (5, 9): the clip has 1 frames",
    }
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["three"]


def sound(path: Path) -> None:
    """A file with sound only."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=800)
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_a_clip_that_does_not_decode_is_said(tmp_path: Path) -> None:
    """Guards against a traceback, and against folders that look finished."""
    garbage, empty, wav = tmp_path / "a.webm", tmp_path / "b.webm", tmp_path / "c.wav"
    garbage.write_bytes(b"no video" * 999)
    empty.touch()
    sound(wav)
    for clip, reason in ((garbage, "nvalid data"), (empty, "nvalid"), (wav, "no video stream")):
        with pytest.raises(Unreadable, match=reason) as raised:
            extract(clip, [Ask(tmp_path / "frames", None)])
        assert "\n" not in str(raised.value)
        assert str(clip) not in str(raised.value)
    assert not any(path.is_dir() for path in tmp_path.iterdir())


def test_only_whole_frames_count(tmp_path: Path) -> None:
    """Guards resuming: a frame that is cut off, missing or too many makes its folder unfinished."""
    ask = Ask(tmp_path / "frames", None)
    clip = write_clip(tmp_path / "clip.mkv", 45)
    assert whole(ask.folder) == 0
    extract(clip, [ask])
    content = (ask.folder / "1.png").read_bytes()
    for damage in (content[:-3], b""):
        (ask.folder / "1.png").write_bytes(damage)
        assert whole(ask.folder) == 0
    (ask.folder / "1.png").unlink()
    assert whole(ask.folder) == 0
    extract(clip, [ask])
    assert (whole(ask.folder), numbers_in(ask.folder)) == (4, [5, 16, 27, 37])
    (ask.folder / "4.png").write_bytes(content)
    assert whole(ask.folder) == 0


def test_a_full_disk_is_no_unreadable_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a report that would blame thousands of good clips; nothing half-made stays."""
    from PIL import Image

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    clip = write_clip(tmp_path / "clip.mkv", 45)
    with pytest.raises(OSError, match="No space left"):
        extract(clip, [Ask(tmp_path / "frames", None)])
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mkv"]
