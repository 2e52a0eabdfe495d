"""Script and styles, under names that hold their hash: a browser keeps each for good, and asks for a new one."""

import gzip
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from flask import Blueprint, Response, request

from ingest.errors import NotFound

bp = Blueprint("console_assets", __name__)

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_DIGITS = 12


class Asset(NamedTuple):
    """A file that pages name.

    Attributes:
        name: with its hash, as its address ends.
        media: its Content-Type.
        text: as it is.
        packed: the same by gzip.
    """

    name: str
    media: str
    text: bytes
    packed: bytes


def _read(path: Path) -> Asset:
    text = path.read_bytes()
    name = f"{path.stem}.{sha256(text).hexdigest()[:_DIGITS]}{path.suffix}"
    return Asset(name, _TYPES[path.suffix], text, gzip.compress(text, mtime=0))


# By the names that templates know; read once, since they are small.
ASSETS = {
    "htmx": _read(_FOLDER / "vendor" / "htmx-4.0.1.min.js"),
    "pico": _read(_FOLDER / "vendor" / "pico.classless-2.1.1.min.css"),
    "script": _read(_FOLDER / "console.js"),
    "styles": _read(_FOLDER / "console.css"),
}
_BY_NAME = {asset.name: asset for asset in ASSETS.values()}


@bp.get("/<text:name>")
def get(name: str) -> Response:
    """Answer with a file, to be kept for a year."""
    asset = _BY_NAME.get(name)
    if asset is None:
        raise NotFound(f"There is no file {name!r}")
    takes_gzip = bool(request.accept_encodings["gzip"])
    response = Response(asset.packed if takes_gzip else asset.text, content_type=asset.media)
    if takes_gzip:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
