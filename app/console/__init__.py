"""The console at `/console`: pages for people, made by the same functions as the answers of the APIs.

    access.py      who looks: sessions, rights, whose rows the page sees
    pages.py       templates to answers, and every error as a page
    assets.py      script and styles, under names that hold their hash
    spelling.py    numbers, times and ids as pages show them
    login.py       in and out
    jobs.py        the list of jobs; filters.py reads what it is to show
    bulk.py        actions on many of them
    job.py         one job
    job_stream.py  tells its page that the job has moved
    entities.py    an entity, its states and events
    system.py      what the installation stands on; tallies.py reads what was counted of it
    keys.py templates_page.py tenants_page.py    what may be changed of a tenant; whose.py has one picked
    fix/           the grid in which failed items are mended
    load/          a file from the browser, checked as a whole and then sent
    templates/     a template a screen; `_parts.html` has what they share
    static/        our script and style sheet; vendor/ has those of others, with their licences

The APIs take bearer keys alone, and the console its cookie alone, so that neither can be ridden through the other.
Every link and form works without the script, which adds live regions, dialogs and shortcuts.
"""

from flask import Blueprint, Flask

from app.console import (
    access,
    assets,
    bulk,
    entities,
    job,
    job_stream,
    jobs,
    keys,
    login,
    pages,
    system,
    templates_page,
    tenants_page,
)
from app.console.fix import screen as fix
from app.console.load import screen as load
from app.console.pages import BASE, failure

__all__ = ["BASE", "failure", "mount"]


_screens = Blueprint("console", __name__, template_folder="templates")
_screens.before_request(access.admit)
for _screen in (login, jobs, bulk, job, job_stream, entities, system, keys, templates_page, tenants_page, fix, load):
    _screens.register_blueprint(_screen.bp)


def mount(app: Flask) -> None:
    """Serve the console."""
    pages.prepare(app)
    app.register_blueprint(assets.bp, url_prefix=f"{BASE}/static")
    app.register_blueprint(_screens, url_prefix=BASE)
