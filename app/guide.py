"""The guide at `/guide`: the pages of `docs/` of this very version, as `make docs` builds them into `guide_pages`."""

from pathlib import Path

from flask import Blueprint, redirect, request, send_from_directory
from werkzeug.security import safe_join
from werkzeug.wrappers import Response

from app.http import scripts
from ingest.errors import NotFound

PAGES = Path(__file__).parent / "guide_pages"

bp = Blueprint("guide", __name__, url_prefix="/guide")

# The pages ask this server alone. Their theme has styles within the pages, and in its drawings.
_POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_NOT_BUILT = "The guide is not built here: `make docs` builds it, and the same pages stand in docs/ of the source"


@bp.get("/", defaults={"name": ""})
@bp.get("/<path:name>")
def page(name: str) -> Response:
    """Answer with a page of the guide, or with a file that a page needs.

    Raises:
        NotFound: the guide is not built, or has no such page.
    """
    if not PAGES.is_dir():
        raise NotFound(_NOT_BUILT)
    file = safe_join(str(PAGES), name)  # None where the name leads out of the guide
    if file is not None and Path(file).is_dir():
        if not request.path.endswith("/"):  # the links of a page are relative to its folder
            return redirect(f"{request.path.rpartition('/')[2]}/")
        name = f"{name}index.html"
    elif file is None or name.endswith("/") or not Path(file).is_file():
        raise NotFound("The guide has no such page; /guide/ lists them all")
    response = send_from_directory(PAGES, name)
    if name.endswith(".html"):
        policy = _POLICY.format(scripts=scripts.sources((PAGES / name).read_bytes()))
        response.headers["Content-Security-Policy"] = policy
    return response
