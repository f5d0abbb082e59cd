r"""Text to ids and back: byte-pair encoding on tiktoken with the special tokens and image spans of Qwen-VL.

Follows the published `tokenization_qwen.py` (https://huggingface.co/Qwen/Qwen-VL). The official vocabulary
has 151643 ranks; any file of the same form works, the special tokens follow its last rank. Layout of the ids:

    0 .. n-1          ordinary byte-pair ranks
    n                 <|endoftext|>, then <|im_start|> <|im_end|> <|extra_0|> .. <|extra_204|>
    n + 208 .. + 216  <ref> </ref> <box> </box> <quad> </quad> <img> </img> <imgpad>

There are two ways in, and the difference is the point: `encode_text` is for text that somebody wrote (a
question, an option, an answer): it never yields a special token, so a question that contains `<img>` or
`<|im_end|>` stays a question. `encode` is the published string form, where `<img>path</img>` becomes a span
of a fixed number of rows:

    <img> i m a g e s / a . p n g <imgpad> <imgpad> ... </img>
          \___ one id per BYTE of the path (the byte's value, not its rank) ___/

Kept from the published code, on purpose (recorded outputs): the whole text is NFC-normalised, paths included;
an empty `<img></img>` is a span of padding; a stray `</img>` stays; `decode` refuses a span without padding
or without end. Deviation: `decode_answer` never refuses, because a model may emit any id.
"""

import base64
import binascii
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import tiktoken

from qwen_vl.errors import CheckpointError

N_EXTRAS: Final = 205
IMAGE_TOKENS: Final = (
    "<ref>",
    "</ref>",
    "<box>",
    "</box>",
    "<quad>",
    "</quad>",
    "<img>",
    "</img>",
    "<imgpad>",
)
ENDOFTEXT, IM_START, IM_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS: Final = (
    ENDOFTEXT,
    IM_START,
    IM_END,
    *(f"<|extra_{i}|>" for i in range(N_EXTRAS)),
    *IMAGE_TOKENS,
)
KEPT_IN_ANSWERS: Final = IMAGE_TOKENS[:6]  # what keep_image_special leaves in a decoded answer

# The published pattern: words with at most one leading mark, digits one by one, runs of punctuation, spaces.
PATTERN: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def read_vocabulary(path: str | Path) -> dict[bytes, int]:
    """The ranks of a "base64 rank" file; CheckpointError names the line that is wrong."""
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            encoded, rank_text = line.split()
            token, rank = base64.b64decode(encoded, validate=True), int(rank_text)
        except (ValueError, binascii.Error) as error:
            raise CheckpointError(
                f"{path}: line {number}: must be 'base64 rank', not {line!r:.60}"
            ) from error
        if rank != len(ranks):
            raise CheckpointError(f"{path}: line {number}: rank {rank} where {len(ranks)} is due")
        if not token or token in ranks:
            raise CheckpointError(f"{path}: line {number}: token {token!r:.60} is empty or a repetition")
        ranks[token] = rank
    absent = [value for value in range(256) if bytes([value]) not in ranks]
    if absent:
        raise CheckpointError(
            f"{path}: {len(absent)} of the 256 single bytes are missing, the first is {absent[0]}"
        )
    return ranks


def spans(ids: Sequence[int], closing: Mapping[int, int]) -> Iterator[tuple[int | None, list[int]]]:
    """Cut ids at tagged spans: (None, ids between) and (opening id, ids with both tags), in order, without
    empty parts.

    `closing` maps an opening id to the id that ends it. Inside a span other tags count for nothing, as
    published.
    """
    ids, start = list(ids), 0
    while True:
        opening = next((i for i in range(start, len(ids)) if ids[i] in closing), len(ids))
        if opening > start:
            yield None, ids[start:opening]
        if opening == len(ids):
            return
        try:
            end = ids.index(closing[ids[opening]], opening) + 1
        except ValueError:
            raise ValueError("Unclosed image token") from None
        yield ids[opening], ids[opening:end]
        start = end


class Tokenizer:
    """A vocabulary and the number of rows one image takes."""

    def __init__(self, ranks: dict[bytes, int], n_image_tokens: int = 256) -> None:
        self.n_ranks = len(ranks)
        self.n_image_tokens = n_image_tokens
        self.special_ids = {token: self.n_ranks + i for i, token in enumerate(SPECIAL_TOKENS)}
        self.n_vocab = self.n_ranks + len(self.special_ids)
        self.eod_id = self.special_ids[ENDOFTEXT]
        self.image_start_id = self.special_ids["<img>"]
        self.image_end_id = self.special_ids["</img>"]
        self.image_pad_id = self.special_ids["<imgpad>"]
        self._kept_ids = frozenset(self.special_ids[token] for token in KEPT_IN_ANSWERS)
        self._image_span = {self.image_start_id: self.image_end_id}
        self._encoding = tiktoken.Encoding(
            "qwen", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=self.special_ids
        )

    @classmethod
    def from_file(cls, path: str | Path, n_image_tokens: int = 256) -> "Tokenizer":
        """Read a vocabulary file; CheckpointError if it is malformed."""
        return cls(read_vocabulary(path), n_image_tokens)

    def special_id(self, token: str) -> int:
        """The id of a special token such as "<ref>"."""
        return self.special_ids[token]

    def encode_text(self, text: str) -> list[int]:
        """Ids of plain text: NFC and byte-pair ranks only, whatever the text holds."""
        return self._encoding.encode_ordinary(unicodedata.normalize("NFC", text))

    def image_span(self, content: bytes = b"") -> list[int]:
        """The rows of one image: <img>, the content's byte values, padding to n_image_tokens, </img>."""
        if len(content) > self.n_image_tokens:
            shown = content[:40].decode("utf-8", "replace")
            raise ValueError(f"The content in <img>{shown}...</img> is too long: {len(content)} bytes")
        padding = [self.image_pad_id] * (self.n_image_tokens - len(content))
        return [self.image_start_id, *content, *padding, self.image_end_id]

    def encode(self, text: str, allowed_special: Literal["all"] | Collection[str] = "all") -> list[int]:
        """Ids of the published string form; special tokens that are not allowed are encoded as plain text.

        ValueError for a path that is too long or an <img> without end, TypeError for a special token in a
        path.
        """
        ids: list[int] = []
        for opening, part in spans(self._encode(text, allowed_special), self._image_span):
            ids += part if opening is None else self.image_span(self._path_bytes(part[1:-1]))
        return ids

    def encode_marked(self, text: str, allowed_special: Collection[str]) -> list[int]:
        """Ids with paths left as text between their tags; ValueError for a special token not allowed."""
        allowed = set(allowed_special)
        normal = unicodedata.normalize("NFC", text)
        refused = [(normal.find(t), t) for t in SPECIAL_TOKENS if t not in allowed and t in normal]
        if refused:
            message = f"Encountered text corresponding to disallowed special token {min(refused)[1]!r}."
            raise ValueError(f"{message}\nOnly {', '.join(sorted(allowed))} have a meaning here.")
        return self._encode(text, allowed)

    def _encode(self, text: str, allowed_special: Literal["all"] | Collection[str]) -> list[int]:
        allowed: Literal["all"] | set[str] = "all" if allowed_special == "all" else set(allowed_special)
        normal = unicodedata.normalize("NFC", text)
        return self._encoding.encode(normal, allowed_special=allowed, disallowed_special=())

    def _path_bytes(self, ids: Sequence[int]) -> bytes:
        for i, token in enumerate(ids):
            if token >= self.n_ranks:
                name = self._encoding.decode_single_token_bytes(token).decode()
                message = f"sequence item {i}: expected a bytes-like object, str found"
                raise TypeError(f"{message}: {name} inside <img>...</img>")
        return self._encoding.decode_bytes(ids)

    def decode(
        self,
        ids: Iterable[int],
        skip_special_tokens: bool = False,
        keep_image_special: bool = False,
        errors: str = "replace",
    ) -> str:
        """Text of ids in the published string form, image spans turned back into their paths.

        ValueError for a span without padding or without end, KeyError for an id that no token has.
        """
        kept: list[int] = []
        for opening, part in spans(list(ids), self._image_span):
            if opening is not None:
                if self.image_pad_id not in part:
                    raise ValueError(f"{self.image_pad_id} is not in list: an image span must hold <imgpad>")
                path = bytes(part[1 : part.index(self.image_pad_id)]).decode("utf-8")
                part = [part[0], *self._encoding.encode_ordinary(path), part[-1]]
            kept += part
        if skip_special_tokens:
            kept = self._without_specials(kept, keep_image_special)
        return self._encoding.decode(kept, errors=errors)

    def decode_raw(self, ids: Iterable[int]) -> str:
        """Text of ids one by one, special tokens by name, image spans not interpreted; must be UTF-8."""
        return self._encoding.decode(list(ids), errors="strict")

    def decode_answer(self, ids: Iterable[int], keep_image_special: bool = False) -> str:
        """Text of ids a model emitted: special tokens dropped, never an error.

        Equals decode(ids, skip_special_tokens=True) wherever that works on ids without <img>.
        """
        return self._encoding.decode(self._without_specials(ids, keep_image_special), errors="replace")

    def answer_bytes(self, token: int, keep_image_special: bool = False) -> bytes:
        """What one id adds to the bytes of `decode_answer`: a character may be spread over several."""
        return b"".join(
            map(self._encoding.decode_single_token_bytes, self._without_specials([token], keep_image_special))
        )

    def _without_specials(self, ids: Iterable[int], keep_image_special: bool) -> list[int]:
        kept = self._kept_ids if keep_image_special else frozenset[int]()
        return [i for i in ids if i < self.eod_id or i in kept]
