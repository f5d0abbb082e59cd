"""Pictures: making a folder of them reachable under the data root, and opening every one."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from eval_mm.errors import UserError


@dataclass(frozen=True, slots=True)
class Link:
    """A folder of pictures to be reached as `at`. Planned before rows are written, made after."""

    at: Path
    to: Path
    kept: bool
    """True where `at` is already there, as this link or as a real folder, and is left as it is."""

    note: str

    def make(self) -> None:
        """Puts the link in place."""
        if not self.kept:
            self.at.parent.mkdir(parents=True, exist_ok=True)
            self.at.symlink_to(self.to, target_is_directory=True)


def plan_links(out: Path, folders: Mapping[str, bool], images: Sequence[str | Path]) -> list[Link]:
    """What the --images options ask for; changes nothing yet.

    `folders` are those of a benchmark, relative to the data root `out`, each with whether rows name it. An
    option is FOLDER=DIR, or DIR: a folder that holds some of those that rows name, or the pictures themselves
    where they name one only.

    Raises:
        UserError: a DIR that is no folder of pictures, or could be several; a link in the way.
    """
    wanted = [folder for folder, is_named in folders.items() if is_named]
    links: dict[str, Link] = {}
    for option in images:
        folder, sign, named = str(option).partition("=")
        given = Path(os.path.expanduser(option))
        if sign and folder in folders:
            pairs = {folder: Path(os.path.expanduser(named))}
        else:
            pairs = {folder: path for folder in wanted if (path := _inside(given, folder, wanted))}
            if not pairs and len(wanted) == 1:
                pairs = {wanted[0]: given}
            if not pairs:
                raise UserError(
                    f"--images {option}: expected FOLDER=DIR with one of {', '.join(wanted)}, or a folder "
                    f"that holds them"
                )
        links |= {folder: plan_link(out / folder, path) for folder, path in pairs.items()}
    return list(links.values())


def _inside(images: Path, folder: str, folders: Sequence[str]) -> Path | None:
    """The folder of pictures below `images`, by its whole name or by last parts that no other one has."""
    parts = folder.split("/")
    tails = ["/".join(parts[start:]) for start in range(len(parts))]
    if images.name == parts[-1]:
        return None
    for tail in tails:
        if sum(f"/{other}".endswith(f"/{tail}") for other in folders) == 1 and (images / tail).is_dir():
            return images / tail
    return None


def plan_link(at: Path, images: Path) -> Link:
    """What `--images` asks for; changes nothing yet.

    Raises:
        UserError: `images` is no folder of pictures, or `at` is in the way.
    """
    to = Path(os.path.abspath(images))  # not resolve(): a user's own link to the newest version stays one
    if not to.is_dir():
        raise UserError(
            f"--images {images}: no such folder; name the folder that holds the pictures themselves"
        )
    if at.is_symlink():
        if at.exists() and at.samefile(to):
            return Link(at, to, kept=True, note=f"{at} already points to {to}")
        raise UserError(f"{at} points to {at.readlink()}, not to {to}; remove that link, then run again")
    if at.is_dir():
        same = "" if at.samefile(to) else "; --images was not used"
        return Link(at, to, kept=True, note=f"{at} is a real folder and was left as it is{same}")
    if at.exists():
        raise UserError(f"{at} is a file; it must be the folder of the pictures")
    return Link(at, to, kept=False, note=f"{at} now points to {to}")


class Places(NamedTuple):
    """Where pictures lie, links that are not made yet included."""

    out: Path
    links: Sequence[Link]

    def path(self, image: str) -> Path:
        """The file of a picture, named relative to the data root."""
        for link in self.links:
            folder = link.at.relative_to(self.out).as_posix()
            if not link.kept and image.startswith(f"{folder}/"):
                return link.to / image.removeprefix(f"{folder}/")
        return self.out / image


def names_in(folder: Path) -> set[str]:
    """The names of the files of a folder; empty where there is no such folder."""
    if not folder.is_dir():
        return set()
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries}


class Picture(NamedTuple):
    """What opening a picture showed: its stored size, or why there is none."""

    size: tuple[int, int] | None
    fault: str = ""
    missing: bool = False


def open_all(root: Path, paths: Iterable[str]) -> dict[str, Picture]:
    """Decodes every picture wholly, several at a time, with a progress bar on stderr.

    `paths` are relative to `root`. The size is the stored one: boxes of published annotations belong to the
    pixels as stored, so an EXIF orientation is not applied.
    """
    wanted = list(dict.fromkeys(paths))
    with ThreadPoolExecutor() as pool:  # Pillow releases the GIL while it decodes
        try:
            opened: Iterator[Picture] = pool.map(lambda path: _open(root / path), wanted)
            return dict(
                zip(wanted, tqdm(opened, total=len(wanted), desc="pictures", unit="img"), strict=True)
            )
        except BaseException:
            pool.shutdown(cancel_futures=True)  # Ctrl-C must not wait for thousands of pictures
            raise


def size_of(path: Path) -> Picture:
    """The stored size of a picture from its header, the rest not decoded."""
    return _open(path, whole=False)


def _open(path: Path, whole: bool = True) -> Picture:
    from PIL import Image

    try:
        with Image.open(path) as image:
            if whole:
                image.load()
            return Picture(image.size)
    except FileNotFoundError:
        return Picture(None, "missing", missing=True)
    except Exception as error:  # the boundary of one picture: decoders raise whatever bytes drive them to
        return Picture(None, f"cannot be decoded: {' '.join(str(error).split()) or type(error).__name__}")
