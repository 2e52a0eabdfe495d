"""Every screen, in both themes and at both widths, by a mouse, by keys alone, and without a script."""

from playwright.sync_api import expect

from ingest.db.connection.pool import transaction
from ingest.db.tenants import mappings, sessions
from ingest.jobs import JobOptions
from tests.console.axe import violations
from tests.console.conftest import Visit
from tests.support.factories import entity

_EVIL = "<img src=x onerror=alert(1)>"


def _screens(visit: Visit) -> list[str]:
    bad = visit.submit(
        [entity(), *(entity(number, entityType="plyer") for number in (1, 2))], options=JobOptions(label="CRM")
    )
    visit.run_jobs()
    waiting = visit.submit([entity(3)])
    with transaction(visit.site.pool) as conn:
        mappings.save(conn, visit.tenant.id, "CRM", {})
    jobs = ["/jobs", "/jobs?state=failed", f"/jobs/{bad}", f"/jobs/{waiting}", f"/jobs/{bad}/raw", "/jobs/nothing"]
    lists = ["/jobs?slow=yes", "/jobs?ended_after=2026-01-01T00:00Z", "/entities?id=nobody&requests=none"]
    mended = [f"/jobs/{bad}/errors", "/load"]
    others = ["/entities?id=player_000001", "/keys", "/templates", "/templates/tpl_igaming", "/tenants", "/system"]
    whose = f"tenant={visit.tenant.public_id}"
    return [f"{path}{'&' if '?' in path else '?'}{whose}" for path in [*jobs, *lists, *mended, *others]]


def test_axe_finds_nothing_on_any_screen_in_both_themes_and_widths(visit: Visit) -> None:
    page = visit.open("/jobs", operator=True, reduced_motion="reduce")  # no colour is on its way to another
    found = {}
    for path in [*_screens(visit), "/login", "/keys"]:
        page.goto(f"{visit.site.address}{path}")
        found[path] = violations(page)
    visit.faults = [fault for fault in visit.faults if "404" not in fault]
    assert not any(found.values()), {path: faults for path, faults in found.items() if faults}


def test_texts_of_a_sender_are_text(visit: Visit) -> None:
    job = visit.submit([entity(entityType=_EVIL, externalId=_EVIL)], options=JobOptions(label=_EVIL))
    visit.run_jobs()
    page = visit.open()
    for path in ("/jobs", f"/jobs/{job}", f"/jobs/{job}/raw"):
        page.goto(f"{visit.site.address}{path}")
        expect(page.get_by_text(_EVIL).first).to_be_visible()
        assert page.locator("img").count() == 0


def test_a_key_logs_in_and_out_without_a_script(visit: Visit) -> None:
    page = visit.open("/login", logged_in=False, java_script_enabled=False)
    page.get_by_label("API key").fill(visit.key)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("API key")).to_be_visible()


def test_a_one_time_address_opens_the_console_by_itself(visit: Visit) -> None:
    with transaction(visit.site.pool) as conn:
        once = sessions.offer(conn, "root")
    page = visit.open(f"/login?once={once}", logged_in=False)
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()


def test_every_action_works_without_a_script(visit: Visit) -> None:
    page = visit.open(f"/jobs/{visit.submit()}", java_script_enabled=False)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#live .state")).to_have_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#live .state")).to_have_text("pending")
    page.get_by_role("button", name="Cancel…").click()
    expect(page.get_by_role("heading", name="Cancel this job? 1 of 1 items stay unprocessed.")).to_be_visible()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#live .state")).to_have_text("cancelled")
    page.get_by_role("button", name="Send unprocessed items…").click()
    page.get_by_role("button", name="Send them").click()
    expect(page.get_by_text("Sends items of")).to_be_visible()
    page.goto(f"{visit.site.address}/jobs?state=pending")
    page.locator("[data-tick]").check()
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("heading", name="1 done")).to_be_visible()


def test_jobs_are_found_by_their_end_and_the_slow_ones_without_a_script(visit: Visit) -> None:
    ended = visit.submit()
    visit.run_jobs()
    visit.submit()
    page = visit.open("/jobs", java_script_enabled=False)
    page.locator("summary").click()
    page.get_by_label("Ended after (UTC)").fill("2026-01-01T00:00")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tr[data-row]")).to_have_count(1)
    expect(page.locator(f"#open-{ended}")).to_be_visible()
    expect(page.locator("#which-time")).to_contain_text("open jobs are in no such list")
    page.get_by_role("link", name="Slow").click()
    expect(page.locator("#slow")).to_contain_text("there is no median")
    expect(page.get_by_role("link", name="Slow")).to_have_attribute("aria-current", "true")


def test_the_speed_is_told_to_those_who_do_not_see_the_line(visit: Visit) -> None:
    page = visit.open("/system", operator=True)
    told = page.get_by_role("img", name="items a second just now").get_attribute("aria-label")
    assert told.endswith("on average in the last five minutes")
    expect(page.locator("figcaption")).to_have_text(told)


def test_an_action_asks_in_a_dialog_and_does_nothing_at_a_no(visit: Visit) -> None:
    page = visit.open(f"/jobs/{visit.submit()}")
    page.get_by_role("button", name="Cancel…").click()
    expect(page.locator("#question")).to_have_text("Cancel this job? 1 of 1 items stay unprocessed.")
    page.keyboard.press("Escape")
    expect(page.locator("#live .state")).to_have_text("pending")
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.locator("#live .state")).to_have_text("cancelled")


def test_the_list_is_used_by_keys_alone(visit: Visit) -> None:
    older, newer = visit.submit(), visit.submit()
    page = visit.open()
    page.keyboard.press("j")
    expect(page.locator(f"#open-{newer}")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator(f"#tick-{older}")).to_be_checked()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator("#job-id")).to_have_text(newer)
    page.keyboard.press("g")
    page.keyboard.press("j")
    expect(page.locator("tr[data-row]")).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type(older)
    page.keyboard.press("Enter")
    expect(page.locator("#job-id")).to_have_text(older)


def test_single_keys_can_be_switched_off(visit: Visit) -> None:
    visit.submit()
    page = visit.open()
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    page.get_by_label("Shortcuts of single keys").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("j")
    expect(page.locator("tr[aria-selected]")).to_have_count(0)


def test_the_theme_follows_the_system_until_a_person_chooses(visit: Visit) -> None:
    page = visit.open(color_scheme="dark")
    ground = "getComputedStyle(document.documentElement).colorScheme"
    assert page.evaluate(ground) == "dark"
    page.emulate_media(color_scheme="light")
    assert "light" in page.evaluate(ground)
    page.keyboard.press("t")
    page.reload()
    assert page.evaluate(ground) == "dark"


def test_an_id_is_copied_where_a_page_has_no_clipboard(visit: Visit) -> None:
    page = visit.open(f"/jobs/{visit.submit()}")
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('none')) }")
    page.get_by_role("button", name="Copy the id").click()
    expect(page.get_by_role("button", name="Copy the id")).to_have_text("Copied")


def test_a_key_is_typed_and_sent_without_a_mouse(visit: Visit) -> None:
    page = visit.open("/login", logged_in=False)
    page.keyboard.insert_text(visit.key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
