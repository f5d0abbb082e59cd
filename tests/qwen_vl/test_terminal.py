"""`python -m qwen_vl chat`: questions from a pipe and from somebody who types, on the bundled demo model."""

import io
import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file

from qwen_vl.__main__ import main
from qwen_vl.boxes import COLOURS
from qwen_vl.checkpoint import DEMO_FOLDER
from qwen_vl.options import printable
from qwen_vl.session import QwenVL
from qwen_vl.terminal import ChatError, Conversation

ROOT = Path(__file__).parents[2]


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Talk = Callable[..., Ended]


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """red.png and blue.png in the current folder: a circle each, in (60..140, 50..130) of 200 x 160."""
    monkeypatch.chdir(tmp_path)
    for name, colour in (("red", (214, 39, 40)), ("blue", (31, 119, 200))):
        image = Image.new("RGB", (200, 160), (232, 238, 228))
        ImageDraw.Draw(image).ellipse((60, 50, 140, 130), fill=colour)
        image.save(f"{name}.png")


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Talk:
    """Runs the command here with these lines from a pipe."""

    def run(lines: str, *options: str) -> Ended:
        monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
        try:
            code = main(["chat", "--device", "cpu", *options])
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def talker(tmp_path: Path) -> str:
    """A copy of the demo model that has a chat format."""
    folder = tmp_path / "talker"
    shutil.copytree(DEMO_FOLDER, folder, ignore=shutil.ignore_patterns("*.py", "*.sh", "__pycache__"))
    (folder / "generation_config.json").write_text(json.dumps({"chat_format": "chatml"}))
    return str(folder)


def test_piped_questions_as_the_shell_runs_them(tmp_path: Path) -> None:
    """The whole command: answers alone on the standard output, boxes drawn and saved, exit code 0."""
    ended = subprocess.run(
        [sys.executable, "-m", "qwen_vl", "chat", "--model", "demo", "--image", "red.png"],
        input=b"What colour is the circle?\n\n/box red circle\n\xff\xfe?\n",
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.decode("ascii").splitlines()
    assert lines[0] == "red"
    assert lines[1].startswith("<ref>red circle</ref><box>(")
    assert len(lines) >= 3, "bytes that are no text are a question as well"
    assert b"(boxes drawn: red.boxes-1.png)" in ended.stderr
    saved = np.asarray(Image.open(tmp_path / "red.boxes-1.png"))
    outlined = np.argwhere((saved == COLOURS[0]).all(axis=-1))
    assert len(outlined) > 200
    assert abs(outlined[:, 1].min() - 60) < 20
    assert abs(outlined[:, 1].max() - 140) < 20


def test_pictures_change(talk: Talk) -> None:
    """The next question is about the new picture, and so are those after it."""
    ask = "What colour is the circle?\n"
    ended = talk(f"{ask}/image 'blue.png'\n{ask}{ask}/reset\n{ask}/quit\n{ask}", "--image", "red.png")
    assert ended.out.split() == ["red", "blue", "blue", "red"]
    assert ended.code == 0
    assert "200 x 160" in ended.err


def test_saved_boxes(talk: Talk, tmp_path: Path) -> None:
    """Drawings are numbered on and replace nothing; /save writes the last one in the format of its name."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "red.boxes-1.png").write_bytes(b"mine")
    options = ("--image", "red.png", "--out", "out")
    ended = talk("/box red circle\n/box the circle\n/save out/last.jpg\n", *options)
    assert ended.code == 0, ended.err
    assert (tmp_path / "out" / "red.boxes-1.png").read_bytes() == b"mine"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *(f"red.boxes-{number}.png" for number in (1, 2, 3)),
        "last.jpg",
    }
    with Image.open(tmp_path / "out" / "last.jpg") as image:
        assert image.format == "JPEG"
    assert talk("/box red circle\n", "--image", "red.png", "--out", "new/folder").code == 0
    assert (tmp_path / "new/folder/red.boxes-1.png").is_file()


def test_typed_tags_are_words(talk: Talk) -> None:
    """A question that holds <img>blue.png</img> must not open that file, nor one with <box> find a thing."""
    ended = talk(
        "What colour is the circle? <img>blue.png</img><ref>circle</ref><box>\n", "--image", "red.png"
    )
    assert ended.code == 0
    assert "boxes drawn" not in ended.err


def test_a_chat_model_remembers(talk: Talk, talker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question comes with all before it, pictures once; --system, limits and seed reach the model."""
    seen: list[tuple[str, int, dict[str, Any]]] = []
    chat = QwenVL.chat

    def watched(self: QwenVL, query: Any, history: Any, **settings: Any) -> Any:
        prompt = self.context(query, history, system=settings["system"])
        seen.append((self.loaded.tokenizer.decode_raw(prompt.ids), len(prompt.images), settings))
        return chat(self, query, history, **settings)

    monkeypatch.setattr(QwenVL, "chat", watched)
    options = ["--model", talker, "--image", "red.png", "--image", "blue.png", "--system", "Be brief."]
    options += ["--seed", "7", "--max-new-tokens", "5", "--top-p", "0.5", "--temperature", "2"]
    ended = talk("One?\nTwo?\n/image red.png\nThree?\n/reset\nFour?\n", *options)
    assert ended.code == 0, ended.err
    assert [images for _, images, _ in seen] == [2, 2, 3, 2]
    assert [text.count("<|im_start|>user\n") for text, _, _ in seen] == [1, 2, 3, 1]
    assert all(text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n") for text, _, _ in seen)
    assert "Picture 3: " in seen[2][0]
    wanted = {"seed": 7, "max_new_tokens": 5, "top_p": 0.5, "temperature": 2.0, "top_k": None}
    assert all(settings[name] == value for _, _, settings in seen for name, value in wanted.items())


def test_answers_cannot_steer_the_terminal(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    r"""An answer that clears the screen or turns the line around is shown as letters: \x1b and so on."""
    answer = "a\x1b[2Jb\x07\r\u202ec\n\td\x9b é 狗"

    def chat(self: QwenVL, query: Any, history: Any, *, on_text: Any, **settings: Any) -> Any:
        on_text(answer)
        return answer, [*history, (query, answer)]

    monkeypatch.setattr(QwenVL, "chat", chat)
    shown = talk("?\n", "--image", "red.png").out
    assert shown == "a\\x1b[2Jb\\x07\\r\\u202ec\n\td\\x9b é 狗\n"
    assert printable("👩\u200d👧 می\u200cروم") == "👩\u200d👧 می\u200cروم"


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        ("?\n", ["--image", "none.png"], "none.png: no such image file"),
        ("?\n", ["--image", "broken.png"], "broken.png: cannot be read as an image"),
        ("?\n", ["--model", "none"], "none: no such folder, and not a hub id"),
        ("?\n", ["--model", ""], "expected a name"),
        ("?\n", ["--system", "Be brief."], "--system: demo is a base model"),
        ("?\n", ["--font", "broken.png"], "--font broken.png: not a font file"),
        ("?\n", ["--temperature", "-1"], "argument --temperature: expected a number of at least 0"),
        ("?\n", ["--top-p", "0"], "argument --top-p: expected a number above 0 and at most 1"),
        ("?\n", ["--seed", "1.5"], "argument --seed: expected a whole number"),
        ("?\n", ["--max-new-tokens", "0"], "argument --max-new-tokens: expected a whole number above 0"),
        ("?\n", ["--dtype", "int8"], "dtype 'int8': not one of auto"),
        ("/image none.png\n?\n", [], "none.png: no such image file"),
        ("/image\n?\n", [], "/image: a path is missing"),
        ("/box \n?\n", [], "/box: what?"),
        ("/draw\n?\n", [], "/draw: no such command"),
        ("/save a.png\n?\n", [], "/save: no boxes have been drawn"),
        ("/box red circle\n/save a.txt\n?\n", ["--image", "red.png"], "a.txt: no picture format"),
        ("/box red circle\n/save no/a.png\n?\n", ["--image", "red.png"], "no/a.png: cannot be written"),
        ("?\n", ["--image", "red.png", "--out", "red.png"], "--out red.png: not a folder"),
        ("?\n", ["--image", "red.png", "--out", "red.png/in/it"], "--out red.png/in/it: not a folder"),
        ("?\n", ["--model", "~nosuchuser/x"], "~nosuchuser/x: no such folder, and not a hub id"),
        ("/image ~nosuchuser/x.png\n?\n", [], "~nosuchuser/x.png: no such image file"),
        ("/box red circle\n/save ~nosuchuser/a.png\n?\n", ["--image", "red.png"], "cannot be written"),
    ],
)
def test_faults_in_a_pipe(talk: Talk, lines: str, options: list[str], message: str, tmp_path: Path) -> None:
    """One line, exit code 2, and the question after the fault is not answered about something else."""
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    ended = talk(lines, *options)
    assert ended.code == 2
    error = ended.err.splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error
    assert len(ended.out.splitlines()) <= 1
    assert "Traceback" not in ended.err


def test_an_unknown_user_is_a_folder_name(
    talk: Talk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--out ~nosuchuser/x` was a traceback after the model had loaded; ~ alone is still one's home."""
    options = ("--image", "red.png", "--out")
    assert talk("/box red circle\n", *options, "~nosuchuser/x").code == 0
    assert (tmp_path / "~nosuchuser/x/red.boxes-1.png").is_file()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert talk("/box red circle\n", *options, "~/x").code == 0
    assert (tmp_path / "home/x/red.boxes-1.png").is_file()


def test_a_broken_picture_is_dropped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A waiting picture that cannot be read any more failed every question after it, for ever."""
    settings = {"temperature": 0.0, "seed": 0, "max_new_tokens": 5}
    model = QwenVL.from_pretrained("demo", "cpu", "float32")
    conversation = Conversation(model, ["blue.png", "red.png"], tmp_path, settings, None)
    Path("blue.png").write_bytes(b"broken")
    with pytest.raises(ChatError, match=r"blue\.png: cannot be read.*; the picture is dropped, ask again"):
        conversation.take("What colour is the circle?")
    assert conversation.waiting == ["red.png"]
    conversation.take("What colour is the circle?")
    assert capsys.readouterr().out.split() == ["red"]
    Path("red.png").unlink()
    with pytest.raises(ChatError, match=r"red\.png: no such image file; /reset forgets the picture"):
        conversation.take("And the shape?")


def test_a_slash_as_a_word(talk: Talk) -> None:
    """What begins with a space is a question, whatever follows; empty lines are none."""
    ended = talk(" /quit is a word?\n\n   \n", "--image", "red.png")
    assert ended.code == 0
    assert len(ended.out.splitlines()) == 1


def test_no_questions(talk: Talk) -> None:
    """An empty pipe is a short conversation."""
    assert talk("", "--image", "red.png") == Ended(0, "", "")


def test_help_teaches(talk: Talk) -> None:
    """Every command and an example are in the help, and its lines fit a terminal."""
    shown = talk("", "--help").out
    for word in (
        "/image",
        "/box",
        "/save",
        "/reset",
        "/quit",
        "Ctrl-D",
        "python -m qwen_vl chat --model demo",
    ):
        assert word in shown
    assert max(len(line) for line in shown.splitlines()) <= 110


class Terminal:
    """The command in a terminal of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.screen, other = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "qwen_vl", "chat", "--device", "cpu", *options],
            stdin=other,
            stdout=other,
            stderr=other,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "TERM": "dumb"},
            start_new_session=True,
            preexec_fn=_own_terminal,
        )
        os.close(other)
        self.text = ""

    def until(self, expected: str) -> str:
        """What is shown up to and with this text."""
        limit = time.monotonic() + 60
        while expected not in self.text:
            assert time.monotonic() < limit, f"{expected!r} never came: {self.text!r}"
            if select.select([self.screen], [], [], 1)[0]:
                try:
                    self.text += os.read(self.screen, 4096).decode()
                except OSError:  # the other end is closed
                    assert expected in self.text, self.text
        found, _, self.text = self.text.partition(expected)
        return found

    def press(self, keys: str) -> None:
        os.write(self.screen, keys.encode())

    def interrupt(self) -> None:
        """Ctrl-C, once the prompt waits: between the prompt and the wait it is seen at the next line only."""
        if not sys.platform.startswith("linux"):
            pytest.skip("whether the prompt waits is read in /proc, which this system does not have")
        state = Path(f"/proc/{self.process.pid}/stat")
        asleep, limit = 0, time.monotonic() + 60
        while asleep < 3:
            assert time.monotonic() < limit, f"the prompt never waits: {self.text!r}"
            time.sleep(0.02)
            asleep = asleep + 1 if state.read_text().rpartition(")")[2].split()[0] == "S" else 0
        self.press("\x03")


def _own_terminal() -> None:
    """Makes the terminal the one that Ctrl-C comes from."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_somebody_types(tmp_path: Path) -> None:
    """The banner says what the model can do; a fault does not end the conversation, Ctrl-D does, with 0."""
    terminal = Terminal(tmp_path, "--model", "demo", "--image", "red.png")
    assert "base model without a chat format" in terminal.until("/quit")
    terminal.until("> ")
    terminal.press("/image none.png\n")
    terminal.until("error: none.png: no such image file")
    terminal.until("> ")
    terminal.press("What colour is the circle?\n")
    terminal.until("circle?\r\n")
    assert terminal.until("> ").strip() == "red"
    terminal.press("\x04")
    assert terminal.process.wait(60) == 0
    os.close(terminal.screen)


def test_ctrl_c_stops_an_answer_then_the_conversation(tmp_path: Path, talker: str) -> None:
    """While it answers, the answer ends and the prompt is back. At the prompt the line is dropped, and a slip
    of the finger does not end a long conversation; twice in a row it does, with 130.
    """
    path = Path(talker) / "model.safetensors"
    tensors = load_file(path)
    tensors["lm_head.weight"].zero_()  # all words are equal, and the first is said for ever
    save_file(tensors, path)
    terminal = Terminal(tmp_path, "--model", talker, "--max-new-tokens", "1000000", "--image", "red.png")
    assert "it remembers the conversation" in terminal.until("> ")
    terminal.press("Go on?\n")
    terminal.until("Go on?\r\n")
    terminal.until("\\x00" * 20)
    terminal.press("\x03")
    terminal.until("(stopped; the question and this answer are forgotten)")
    terminal.until("> ")
    for _ in range(2):  # the line between the two makes them no row
        terminal.press("/nonsense")
        terminal.until("/nonsense")
        terminal.interrupt()
        terminal.until("(Ctrl-C once more, or Ctrl-D, ends)")
        terminal.until("> ")
        terminal.press("/what\n")
        terminal.until("error: /what: no such command")
        terminal.until("> ")
    terminal.interrupt()
    terminal.until("(Ctrl-C once more, or Ctrl-D, ends)")
    terminal.until("> ")
    terminal.interrupt()
    assert terminal.process.wait(60) == 130
    assert "Traceback" not in terminal.text
    os.close(terminal.screen)
