"""The judgement of axe-core on a page, in both themes and at both widths."""

from importlib.resources import files

from playwright.sync_api import Page

from tests.console.conftest import NARROW, WIDE

_AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")

# All rules run. What passes is not told, and style sheets and media are not loaded for two rules about what the console
# has none of, locked orientation and sounds: both halve the time.
_RUN = "axe.run(document, { preload: false, resultTypes: ['violations'] })"


def violations(page: Page) -> dict[str, list[str]]:
    """Return what axe finds on a page, and where the page scrolls sideways."""
    page.evaluate(_AXE)  # by the browser's own debugger, which the page's policy lets pass
    found = {}
    for width in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": 900})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # no colour is on its way to another
            found[f"{theme} at {width} px"] = _violations(page)
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found[f"width at {width} px"] = [f"scrolls sideways by {beyond} px"] if beyond > 0 else []
    return {look: faults for look, faults in found.items() if faults}


def _violations(page: Page) -> list[str]:
    found = page.evaluate(_RUN)["violations"]
    return [f"{rule['id']}: {[node['html'][:200] for node in rule['nodes']]}" for rule in found]
