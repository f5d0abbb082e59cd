r"""A conversation in the terminal: `python -m qwen_vl chat`.

What is typed is plain text, tags too; structure comes from commands (`/image`, `/box`). Answers go to the
standard output as they come, everything else to the standard error, so that

    printf 'What colour is the square?\n' | python -m qwen_vl chat --model demo --image a.png

prints the answer alone. Control characters in an answer are shown, never obeyed.

Where somebody types, a fault is said and the conversation goes on; where questions come from a pipe, the
first fault ends it with exit code 2: the questions after it would be about something else.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_vl.errors import CheckpointError, ImageError
from qwen_vl.files import replace_file
from qwen_vl.options import filled, number, one_line, positive, printable, seed, share

if TYPE_CHECKING:
    from PIL import Image

    from qwen_vl.messages import Element, Turn
    from qwen_vl.session import QwenVL

PURPOSE = "talk with the model about pictures"
COMMANDS = """\
  /image PATH   show another picture; the next question comes with it
  /box WORDS    ask where something is
  /save PATH    save the last picture with boxes under another name (.png, .jpg, ...)
  /reset        forget everything but the pictures of --image
  /help  /quit  (or Ctrl-D; Ctrl-C stops an answer or drops a line, twice at the prompt it ends)"""
EXAMPLES = f"""\
examples:
  python -m qwen_vl chat --model demo --image eval_mm/demo/scenes/000010.png
  python -m qwen_vl chat --model Qwen/Qwen-VL-Chat --image left.jpg --image right.jpg
  python -m qwen_vl chat --model Qwen/Qwen-VL-Chat --image a.jpg --temperature 0 < questions.txt > answers.txt

in the conversation:
{COMMANDS}

Boxes in an answer are drawn on the latest picture and saved as NAME.boxes-1.png, -2, ... in --out.
A base model ("demo", Qwen/Qwen-VL) completes every question on its own: "What colour is the square?" is
asked as in the benchmarks, with " Answer:" behind it; what ends with a colon is left as it is, such as
"Describe the image in English:".
"""


class ChatError(Exception):
    """What cannot be done in a conversation, in one line."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = parser.add_argument
    add("--model", default="demo", type=filled, help="a checkpoint folder, a hub id, or 'demo' (default)")
    add(
        "--image", action="append", default=[], type=filled, metavar="PATH", help="a picture; may be repeated"
    )
    add("--system", metavar="TEXT", help="what the model is told it is (chat models)")
    add("--out", default=".", type=filled, metavar="DIR", help="where drawn boxes are saved (.)")
    add("--font", type=filled, metavar="FILE", help="font of their labels, for letters your system's lack")
    add("--temperature", type=number, metavar="X", help="0: always the likeliest word (the checkpoint's)")
    add(
        "--top-p",
        type=share,
        metavar="X",
        help="draw among the likeliest that hold this much (the checkpoint's)",
    )
    add("--top-k", type=positive, metavar="N", help="draw among so many (the checkpoint's)")
    add("--seed", type=seed, default=0, metavar="N", help="the same seed draws the same answers (0)")
    add("--max-new-tokens", type=positive, metavar="N", help="longest answer (the checkpoint's, or 512)")
    add("--device", default="auto", help="auto (default), cpu, cuda, cuda:N")
    add("--dtype", default="auto", help="auto (default), bfloat16, float16, float32")


def run(arguments: argparse.Namespace) -> int:
    """The whole conversation; 0 when it ended well, 2 after a fault in piped questions."""
    options = vars(arguments)
    if (
        options["model"] == "demo"
    ):  # matrices this small gain nothing from threads, and lose all on busy cores
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    from qwen_vl.boxes import check_font
    from qwen_vl.image import load_image
    from qwen_vl.session import QwenVL

    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace")):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=errors)
    out = Path(os.path.expanduser(options["out"]))
    if not next(folder for folder in (out, *out.parents) if folder.exists()).is_dir():
        raise ChatError(f"--out {options['out']}: not a folder")
    for path in options["image"]:
        load_image(path)
    if options["font"] is not None and not check_font(options["font"]):
        raise ChatError(f"--font {options['font']}: not a font file")
    model = QwenVL.from_pretrained(options["model"], options["device"], options["dtype"])
    if options["system"] is not None and not model.is_chat:
        raise ChatError(f"--system: {options['model']} is a base model without a chat format, it reads none")
    settings = ("system", "temperature", "top_p", "top_k", "seed", "max_new_tokens")
    conversation = Conversation(
        model,
        options["image"],
        out,
        {name: options[name] for name in settings},
        options["font"],
    )
    interactive = sys.stdin.isatty()
    if interactive:
        _say(_banner(options["model"], model))
    for line in _lines(interactive):
        try:
            if not conversation.take(line):
                break
        except (ChatError, ImageError) as error:
            if not interactive:
                raise ChatError(str(error)) from error
            _say(f"error: {one_line(str(error))}")
        except FloatingPointError as error:
            raise CheckpointError(f"{options['model']}: {error}") from error
        except KeyboardInterrupt:
            if not interactive:
                raise
            _say("\n(stopped; the question and this answer are forgotten)")
    return 0


class Conversation:
    """What was said and shown so far, and what a typed line does."""

    def __init__(
        self, model: "QwenVL", images: list[str], out: Path, settings: dict[str, Any], font: str | None
    ) -> None:
        self.model, self.out, self.settings, self.font = model, out, settings, font
        self.first_images = images
        self.waiting: list[str] = list(images)  # pictures that come with the next question
        self.history: list[Turn] = []
        self.drawn: Image.Image | None = None

    def take(self, line: str) -> bool:
        """Answers a line or does what it commands; False to end. ChatError or ImageError."""
        text = line.strip()
        if not line.startswith("/"):
            if text:
                self._ask({"text": text})
            return True
        command, _, rest = text.partition(" ")
        rest = rest.strip()
        if command in ("/image", "/box", "/save") and not rest:
            raise ChatError(f"{command}: {'what?' if command == '/box' else 'a path is missing'}")
        match command:
            case "/image":
                self._show(_path(rest))
            case "/box":
                self._ask({"find": rest})
            case "/save":
                self._save(Path(_path(rest)))
            case "/reset":
                self.history, self.waiting, self.drawn = [], list(self.first_images), None
                _say("(forgotten)")
            case "/help":
                _say(COMMANDS)
            case "/quit":
                return False
            case _:
                raise ChatError(
                    f"{command}: no such command (/help lists them); to say it, put a space before it"
                )
        return True

    def _show(self, path: str) -> None:
        from qwen_vl.image import load_image

        size = load_image(path).size
        self.waiting.append(path)
        _say(f"({path}: {size[0]} x {size[1]} pixels, for the next question)")

    def _ask(self, words: "Element") -> None:
        query = [*({"image": path} for path in self.waiting), words]
        try:
            _, history = self.model.chat(query, self.history, **self.settings, on_text=_answer)
        except ImageError as error:
            kept = [path for path in self.waiting if _readable(path)]
            dropped, self.waiting = kept != self.waiting, kept
            advice = "the picture is dropped, ask again" if dropped else "/reset forgets the picture"
            raise ChatError(f"{error}; {advice}") from error
        _answer("\n")
        self.history, self.waiting = history, []
        picture = self.model.draw(history, self.font)
        if picture is not None:
            self.drawn = picture
            path = _free_name(self.out, Path(_latest_path(history)).stem)
            try:
                self.out.mkdir(parents=True, exist_ok=True)
                save_picture(picture, path)
            except OSError as error:
                raise ChatError(f"{path}: cannot be written ({error.strerror or error})") from error
            _say(f"(boxes drawn: {path})")

    def _save(self, path: Path) -> None:
        if self.drawn is None:
            raise ChatError("/save: no boxes have been drawn yet; /box WORDS asks for some")
        try:
            save_picture(self.drawn, path)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ChatError(f"{path}: cannot be written ({reason})") from error
        _say(f"(saved: {path})")


def save_picture(picture: "Image.Image", path: Path) -> None:
    """Writes a picture in the format of the path's ending, whole or not at all; ChatError for none."""
    from PIL import Image

    form = Image.registered_extensions().get(path.suffix.lower())
    if form not in Image.SAVE:
        raise ChatError(f"{path}: no picture format has the ending '{path.suffix}'; .png and .jpg are some")
    replace_file(path, lambda temporary: picture.save(temporary, form))


def _lines(interactive: bool) -> Iterator[str]:
    if not interactive:
        yield from sys.stdin
        return
    with suppress(ImportError):
        import readline  # noqa: F401  # arrow keys in input()
    stopped = False
    while True:
        try:
            line = input("> ")
        except EOFError:
            _say("")
            return
        except KeyboardInterrupt:
            if stopped:
                raise
            stopped = True
            _say("\n(Ctrl-C once more, or Ctrl-D, ends)")
            continue
        stopped = False
        yield line


def _banner(name: str, model: "QwenVL") -> str:
    if model.is_chat:
        return f"{name}: a chat model; it remembers the conversation.\n{COMMANDS}"
    return (
        f"{name}: a base model without a chat format. It completes every question on its own, as in the\n"
        'benchmarks: "What colour is the square?", "Describe the image in English:", /box red square.\n'
        f"{COMMANDS}"
    )


def _free_name(folder: Path, stem: str) -> Path:
    number = 1
    while (path := folder / f"{stem}.boxes-{number}.png").exists():
        number += 1
    return path


def _latest_path(history: "list[Turn]") -> str:
    from qwen_vl.messages import pictures

    return next(str(found) for turn in history[::-1] for found in pictures(turn.query)[::-1])


def _readable(path: str) -> bool:
    from qwen_vl.image import load_image

    try:
        load_image(path)
    except ImageError:
        return False
    return True


def _path(text: str) -> str:
    """A typed path: with quotes around it, or with ~."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return os.path.expanduser(text)  # leaves ~nosuchuser as it is


def _answer(text: str) -> None:
    sys.stdout.write(printable(text))
    sys.stdout.flush()


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)
