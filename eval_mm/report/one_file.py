"""What every one-file page shares: templates, its Content-Security-Policy, embedded pictures, embedded data.

A page opens from disk and can load nothing: the policy allows its own style and script, by their hashes, and
pictures inside it.
"""

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

_UNSAFE = {char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
"""Characters with which data could end the element it stands in, or a line of script."""


def templates(folder: Path) -> "jinja2.Environment":
    """The templates of a folder: every text put in is escaped, and a name that nobody gives is an error."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy of a page: nothing but itself."""
    return (
        f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}; "
        f"base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def embedded_json(value: Any) -> str:
    """A value as compact JSON that no text in it can break out of `<script type="application/json">`."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char, escape in _UNSAFE.items():
        text = text.replace(char, escape)
    return text


def thumbnail(path: Path, side: int) -> str:
    """A picture as a data URL, its longer side at most `side` pixels; empty where it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.draft("RGB", (side, side))
            small = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
            small.thumbnail((side, side))
            if small.mode == "RGBA":  # as on paper: a chart's black text on nothing is text on white
                small = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small).convert("RGB")
            buffer = io.BytesIO()
            small.save(buffer, "WEBP", quality=70, method=2)
    except Exception:  # the boundary of one picture: decoders raise whatever bytes drive them to
        return ""
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
