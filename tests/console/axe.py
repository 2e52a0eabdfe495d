"""The judgement of axe-core on a page, in both themes and at both widths."""

from importlib.resources import files

from playwright.sync_api import Page

from tests.console.conftest import NARROW, WIDE

_AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page) -> dict[str, list[str]]:
    """Return what axe finds on a page, and where the page scrolls sideways."""
    page.evaluate(_AXE)  # by the browser's own debugger, which the page's policy lets pass
    found = {}
    for width in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="light", reduced_motion="reduce")  # no colour is on its way to another
        found[f"light at {width} px"] = _violations(page)
        page.emulate_media(color_scheme="dark")
        found[f"dark at {width} px"] = _violations(page, "color-contrast")  # nothing else differs
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found[f"width at {width} px"] = [f"scrolls sideways by {beyond} px"] if beyond > 0 else []
    return {look: faults for look, faults in found.items() if faults}


def _violations(page: Page, *rules: str) -> list[str]:
    """Return what axe finds, by all rules or some."""
    options = {"runOnly": list(rules)} if rules else {}
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [f"{rule['id']}: {[node['html'][:200] for node in rule['nodes']]}" for rule in found]
