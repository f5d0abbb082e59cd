"""A short name of a checkpoint by its content, without reading 19 GB.

A sha256 over config.json, generation_config.json, every *.tiktoken, and of each weight file its name, size
and

- the whole content, up to 64 MiB; - of a larger `.bin`, the directory of its zip archive, which holds a
checksum of every tensor; - of a larger `.safetensors`, its header, every tensor of up to 1 MiB whole, and of
each larger tensor 64 evenly
  spaced blocks of 4 KiB, first and last included.

So two fine-tunes of equal shape differ, also where only biases, norms or a few whole matrices were trained.
Limit: a change of a large safetensors matrix in nothing but rows between its blocks goes unseen.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from qwen_vl.weights import weight_files

WHOLE_FILE_BYTES: Final = 64 << 20
WHOLE_TENSOR_BYTES: Final = 1 << 20
BLOCK_BYTES: Final = 4096
BLOCKS_PER_TENSOR: Final = 64


def fingerprint(folder: str | Path) -> str:
    """Sixteen hex digits that name a checkpoint: the same on every machine, others for another fine-tune."""
    folder = Path(folder)
    small = [folder / "config.json", folder / "generation_config.json", *sorted(folder.glob("*.tiktoken"))]
    return fingerprint_of([*(file for file in small if file.is_file()), *weight_files(folder)])


def fingerprint_of(files: Iterable[Path]) -> str:
    """Sixteen hex digits of these files, in this order."""
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}\0{size}\0".encode())
        for part in _parts(file, size):
            digest.update(part)
    return digest.hexdigest()[:16]


def _parts(file: Path, size: int) -> Iterator[bytes]:
    """What stands for a file's content."""
    if size > WHOLE_FILE_BYTES and file.suffix == ".bin" and zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                yield f"{entry.filename}\0{entry.file_size}\0{entry.CRC}\0".encode()
        return
    with file.open("rb") as stream:
        if size <= WHOLE_FILE_BYTES:
            yield stream.read()
        elif file.suffix == ".safetensors":
            length = int.from_bytes(stream.read(8), "little")
            header = stream.read(length)
            yield header
            tensors = (value for name, value in json.loads(header).items() if name != "__metadata__")
            for start, end in sorted(value["data_offsets"] for value in tensors):
                for at, count in _blocks(8 + length + start, end - start):
                    stream.seek(at)
                    yield stream.read(count)
        else:
            for at, count in _blocks(0, size):
                stream.seek(at)
                yield stream.read(count)


def _blocks(start: int, size: int) -> Iterator[tuple[int, int]]:
    if size <= WHOLE_TENSOR_BYTES:
        yield start, size
        return
    for block in range(BLOCKS_PER_TENSOR):
        yield start + (size - BLOCK_BYTES) * block // (BLOCKS_PER_TENSOR - 1), BLOCK_BYTES
