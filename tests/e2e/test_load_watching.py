"""`sluice jobs watch`, `sluice top` and completion: jobs as they run, by the API."""

import json
import re
import signal
import subprocess
from contextlib import suppress

import httpx2
import pytest
from click.testing import CliRunner
from sluice_client import Client, Conflict

from cli import main
from tests.e2e.running import SLUICE, environment


@pytest.fixture
def client(stack, client_key):
    with Client(stack.api, key=client_key) as opened:
        yield opened


@pytest.fixture
def run(stack, client_key):
    def command(*arguments):
        env = {"SLUICE_URL": stack.api, "SLUICE_KEY": client_key, "COLUMNS": "250"}
        return CliRunner().invoke(main, arguments, env=env, prog_name="sluice")

    return command


def test_a_job_is_watched_to_its_end_and_the_exit_code_says_if_all_was_taken(client, run):
    good = {"entityType": "player", "externalId": "watched", "data": {"email": "a@example.com"}}
    done = run("jobs", "watch", client.entities.send([good]).id)
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    assert ": 1 item: 1 " in done.stderr
    done = run("jobs", "watch", "--json", "--quiet", client.entities.send([good, {**good, "data": {}}]).id)
    assert (done.exit_code, json.loads(done.stdout)["effects"]["failed"], done.stderr) == (3, 1, "")
    assert run("jobs", "watch", "job_" + "0" * 32).exit_code == 1


def test_ctrl_c_ends_the_watching_and_not_the_job(client, run, monkeypatch):
    job = client.entities.send([{"entityType": "player", "externalId": "seen", "data": {"email": "a@example.com"}}])
    looks, send = [], httpx2.Client.send

    def interrupted(self, request, **options):
        looks.append(request)
        if len(looks) > 2:
            signal.raise_signal(signal.SIGINT)
        return send(self, request, **options)

    with monkeypatch.context() as patched:
        patched.setattr(httpx2.Client, "send", interrupted)
        done = run("jobs", "watch", job.id)
    assert (done.exit_code, done.stderr) == (130, "Error: the job goes on\n")
    assert job.ended().status == "completed"


def paused_job(client, items):
    """A job that has not ended, of items which another one holds up while it is paused."""
    while True:
        before = client.entities.send(items * 50)
        held = client.entities.send(items, label="held\x1b[31m", after=before.id)
        with suppress(Conflict):  # it was done already
            held.pause()
            return held


def test_top_shows_open_jobs_and_no_ended_ones(client, run):
    items = [{"entityType": "player", "externalId": f"top-{number}", "data": {"email": "a"}} for number in range(200)]
    ended = client.entities.send(items, wait=30)
    ended.wait()
    held = paused_job(client, items)
    shown = run("top")
    assert shown.exit_code == 0, shown.stderr
    assert held.id in shown.stdout
    assert re.search(r"workers: [1-9]\d* running, \d+ busy", shown.stdout)
    assert "\x1b[31m" not in shown.stdout
    assert ended.id not in shown.stdout
    assert held.id in [job["id"] for job in json.loads(run("jobs", "top", "--json").stdout)]
    held.resume()


@pytest.mark.parametrize(("shell", "line"), [("bash", "plain,{}"), ("zsh", "plain\n{}\n")])
@pytest.mark.parametrize("program", ["sluice", "sluice-client"])
def test_a_shell_completes_commands_and_options(program, shell, line):
    variable = f"_{program.upper().replace('-', '_')}_COMPLETE"
    for words, place, wanted in (("lo", "1", "load"), ("load --err", "2", "--errors-format")):
        env = environment(COMP_WORDS=f"{program} {words}", COMP_CWORD=place) | {variable: f"{shell}_complete"}
        done = subprocess.run([SLUICE.with_name(program)], env=env, capture_output=True, text=True, check=True)
        assert line.format(wanted) in done.stdout
