"""A `sluice load` that is broken off, anywhere and by anything, is gone on with by the same or the printed command."""

import json
import os
import pty
import re
import select
import signal
import subprocess
from uuid import uuid4

import httpx2
import pytest
from click.testing import CliRunner
from sluice_client import Client, NotFound

from cli import main
from tests.e2e.running import SLUICE, environment

EVENTS = ("--kind", "events", "--type", "session")


@pytest.fixture
def client(stack, client_key):
    with Client(stack.api, key=client_key) as opened:
        yield opened


@pytest.fixture
def player(client):
    """An entity of the test's own, whose events can be counted: each that was stored twice would be seen."""
    external_id = uuid4().hex
    client.entities.upsert("player", external_id, {"email": "a@example.com"})
    return external_id


@pytest.fixture(autouse=True)
def folder(stack, client_key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SLUICE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLUICE_URL", stack.api)
    monkeypatch.setenv("SLUICE_KEY", client_key)
    return tmp_path


@pytest.fixture
def events(folder, player):
    """Writes a CSV of the player's events."""

    def write(name, count=25):
        (folder / name).write_text("externalId,n\n" + "".join(f"{player},{number}\n" for number in range(count)))
        return name

    return write


def run(*arguments):
    return CliRunner().invoke(main, ["load", *EVENTS, "--segment", "300B", "--json", *arguments], prog_name="sluice")


def stored(client, player):
    return sorted(int(event.data["n"]) for event in client.events.list(player))


def killed_at(place, hook, *arguments):
    """Run the command in a process that kills itself at a request or an answer of that number; True if it did."""
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    left, send = [place], httpx2.Client.send

    def counted(self, request, **options):
        if hook == "request":
            count()
        answer = send(self, request, **options)
        if hook == "response":
            count()
        return answer

    def count():
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    httpx2.Client.send = counted
    try:
        run(*arguments)
    finally:
        os._exit(0)


@pytest.mark.parametrize("hook", ["request", "response"])
def test_a_load_killed_at_any_request_loses_and_doubles_nothing(client, player, events, folder, hook):
    killed = 0
    for place in range(100):
        name = events(f"{place}.csv")
        was_killed = killed_at(place, hook, name, "--label", f"{player}-{place}")
        told = not (folder / f"{name}.sluice-journal").exists() and not was_killed
        if not told:
            report = json.loads(run(name, "--label", f"{player}-{place}").stdout)
            assert (report["total"], report["effects"]["created"]) == (25, 25)
        assert len(list(client.jobs.list(label=f"{player}-{place}"))) == 1
        if not was_killed:
            break
        killed += 1
    assert killed >= 9
    assert stored(client, player) == sorted([*range(25)] * (killed + 1))


def test_files_that_were_done_are_not_loaded_again_with_those_that_were_not(client, player, events):
    names = [events("1.csv"), events("2.csv")]
    assert killed_at(14, "response", *names), "in the second file"
    report = json.loads(run(*names).stdout)
    assert report["total"] == 50
    assert stored(client, player) == sorted([*range(25)] * 2)


def test_a_journal_in_another_folder_is_gone_on_with(client, player, events, folder):
    for name in ("left", "right", "journals"):
        (folder / name).mkdir()
    names = [events(f"{name}/a.csv") for name in ("left", "right")]
    assert killed_at(9, "response", "--journals", "journals", names[0])
    assert [*folder.glob("*/*.sluice-journal")] == [*folder.glob("journals/a.csv.*.sluice-journal")] != []
    for name in names:  # of which one has arrived in part, and the other is one of its own
        report = json.loads(run("--journals", "journals", name).stdout)
        assert report["effects"]["created"] == 25
    assert stored(client, player) == sorted([*range(25)] * 2)
    assert [*(folder / "journals").iterdir()] == []


def test_a_changed_file_is_put_off_without_a_terminal_and_resumed_if_asked_for(client, player, events, folder):
    name = events("a.csv")
    assert killed_at(5, "response", name)
    text = (folder / name).read_text()
    (folder / name).write_text(text.replace(",7\n", ",700\n"))
    done = run(name)
    assert (done.exit_code, "has changed since" in done.stderr) == (75, True)
    assert run("--resume", name).exit_code == 0
    assert stored(client, player) == sorted([*(set(range(25)) - {7}), 700])


def test_other_options_are_put_off_until_the_load_is_begun_anew(client, player, events):
    name = events("a.csv")
    assert killed_at(5, "response", name)
    done = run(name, "--dry-run")
    assert done.exit_code == 75
    assert "an earlier load of a.csv, which broke off, had another --dry-run: say" in done.stderr.splitlines()[-1]
    assert run(name, "--restart").exit_code == 0
    assert stored(client, player) == [*range(25)]


def upload_of(folder, name):
    return json.loads((folder / f"{name}.sluice-journal").read_bytes())["upload_id"]


def test_a_load_that_is_begun_anew_deletes_what_the_former_has_sent(client, player, events, folder):
    name = events("a.csv")
    assert killed_at(7, "response", name)
    former = upload_of(folder, name)
    assert client.uploads.get(former).parts
    assert run(name, "--restart").exit_code == 0
    with pytest.raises(NotFound):
        client.uploads.get(former)
    assert stored(client, player) == [*range(25)]


def test_a_load_that_is_begun_anew_leaves_a_job_that_was_accepted(client, player, events, folder):
    name = events("a.csv")
    place = 0
    while not list(client.jobs.list(label=player)):
        assert killed_at(place, "response", name, "--restart", "--label", player)
        place += 1
    assert client.uploads.get(upload_of(folder, name)).status == "completed"
    assert run(name, "--restart", "--label", player).exit_code == 0
    assert len(list(client.jobs.list(label=player))) == 2
    assert stored(client, player) == sorted([*range(25)] * 2)


@pytest.fixture
def uploads(monkeypatch):
    """The ids of the uploads that the command has begun, as they are begun."""
    begun, send = [], httpx2.Client.send

    def noted(self, request, **options):
        answer = send(self, request, **options)
        if (request.method, request.url.path.rpartition("/")[2]) == ("POST", "uploads"):
            begun.append(re.search(rb"upl_[0-9a-f]+", answer.read())[0].decode())
        return answer

    monkeypatch.setattr(httpx2.Client, "send", noted)
    return begun


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "id,n\n{player},0\n", "add it, or give one this name by --map"),
        ("b.csv", "externalId;n\n{player};0\n", "is the delimiter ;, by --delimiter ;?"),
        ("c.csv", "externalId,n\n", "send at least 1"),
        ("d.json", '{{"externalId": "{player}"}}', "it should begin with ["),
    ],
)
def test_a_load_that_is_refused_for_good_leaves_nothing_to_go_on_with(
    client, player, events, folder, uploads, name, text, says
):
    (folder / name).write_text(text.format(player=player))
    done = run(name)
    assert (done.exit_code, says in done.stderr) == (1, True), done.stderr
    assert "go on" not in done.stderr.lower()
    assert [path.name for path in folder.iterdir()] == [name]
    for upload in uploads:
        with pytest.raises(NotFound):
            client.uploads.get(upload)
    assert run(events(name.replace(".json", ".csv")), "--label", "mended").exit_code == 0, "without --restart"
    assert stored(client, player) == [*range(25)]


def test_a_pipe_that_breaks_off_is_gone_on_with_by_the_printed_command_and_the_same_input(
    client, player, events, folder
):
    text = (folder / events("a.csv")).read_bytes()
    command = [SLUICE, "load", *EVENTS, "--format", "csv", "--segment", "100B", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(**settings())
    ) as load:
        load.stdin.write(text[:400])
        load.stdin.flush()
        while b" accepted as job_" not in load.stderr.readline():
            pass
        load.terminate()
        *_, leads, printed, needs = load.stderr.read().decode().splitlines()
    assert (load.returncode, leads) == (75, "Go on with it by:")
    assert needs == "It reads standard input from the beginning: give it the same input again."
    subprocess.run(printed, input=text, shell=True, check=True, env=environment(**settings()))  # noqa: S602 # as people do
    assert stored(client, player) == [*range(25)]


def test_a_pipe_is_sent_by_segments_while_its_sender_pauses_and_ends_with_the_records_wanted(client, player):
    line = json.dumps({"externalId": player, "data": {}}).encode() + b"\n"
    command = [SLUICE, "load", *EVENTS, "--segment", "200B", "--stop-after", "9", "-"]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment(**settings()), **pipes) as load:
        load.stdin.write(line * 5)
        load.stdin.flush()
        while b" accepted as job_" not in load.stderr.readline():
            pass
        load.stdin.write(line * 4)
        load.stdin.flush()
        assert load.wait() == 0
    assert len(list(client.events.list(player))) == 9


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, *arguments, **settings):
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            env = environment(COLUMNS="100", TERM="xterm", **settings)
            os.execve(SLUICE, [str(SLUICE), "load", *arguments], env)  # noqa: S606 # nothing to quote
        self.shown = ""

    def until(self, pattern):
        """Read until the screen has shown what the pattern matches."""
        while not re.search(pattern, self.shown):
            assert self._read(), self.shown
        return self

    def _read(self):
        assert select.select([self._terminal], [], [], 60)[0], self.shown
        try:
            self.shown += os.read(self._terminal, 65536).decode()
        except OSError:  # the other end is closed
            return False
        return True

    def write(self, text):
        os.write(self._terminal, text.encode())

    def end(self):
        """Read to the end, and return the exit code."""
        while self._read():
            pass
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def settings():
    return {name: os.environ[name] for name in ("SLUICE_URL", "SLUICE_KEY")}


def test_a_terminal_shows_two_bars_and_the_report(events):
    terminal = Terminal(*EVENTS, events("a.csv", 2_000), **settings())
    assert terminal.end() == 0
    assert "send a.csv" in terminal.shown
    assert "2,000/2,000" in terminal.shown
    assert "a.csv: 2,000 items: 2,000 created, in " in terminal.shown


def test_a_terminal_without_colours_gets_none(events):
    terminal = Terminal(*EVENTS, events("a.csv"), NO_COLOR="1", **settings())
    assert terminal.end() == 0
    assert not re.search(r"\x1b\[(?:[0-9]+;)*3[0-9]m", terminal.shown)


def test_a_person_at_a_terminal_is_asked_whether_to_go_on(client, player, events):
    name = events("a.csv")
    assert killed_at(5, "response", name)
    terminal = Terminal(*EVENTS, "--segment", "300B", name, **settings())
    terminal.until("Go on with it, begin anew, or stop").write("stop\n")
    assert terminal.end() == 75
    terminal = Terminal(*EVENTS, "--segment", "300B", name, **settings())
    terminal.until("Go on with it, begin anew, or stop").write("\n")
    assert terminal.end() == 0
    assert stored(client, player) == [*range(25)]


@pytest.mark.parametrize("keys", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_a_question_that_is_broken_off_ends_with_130_and_sends_nothing(events, folder, keys):
    name = events("a.csv")
    assert killed_at(5, "response", name)
    former = (folder / f"{name}.sluice-journal").read_bytes()
    terminal = Terminal(*EVENTS, "--segment", "300B", name, **settings())
    terminal.until(r"\[resume\]").write(keys)
    assert terminal.end() == 130
    assert "load --resume " in terminal.shown
    assert (folder / f"{name}.sluice-journal").read_bytes() == former


def test_a_second_ctrl_c_leaves_at_once_and_gives_the_cursor_back(client, player, events):
    name = events("a.csv", 5_000)
    terminal = Terminal(*EVENTS, "--segment", "2kB", "--concurrency", "1", name, **settings())
    terminal.until(r"send a\.csv.*B/s").write("\x03")
    terminal.until(r"\^C").write("\x03")
    assert terminal.end() == 130
    assert terminal.shown.rfind("\x1b[?25h") > terminal.shown.rfind("\x1b[?25l")
    assert run("--segment", "2kB", "--resume", name).exit_code == 0
    assert stored(client, player) == [*range(5_000)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_signal_ends_the_load_with_the_command_that_goes_on(client, player, events, folder, number, code):
    name = events("a b.csv", 5_000)
    command = [SLUICE, "load", *EVENTS, "--segment", "2kB", "--concurrency", "1", "--progress", "off", name]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (folder / f"{name}.sluice-journal").exists():
        assert process.poll() is None
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == code, said
    assert "nothing of it runs before all have" in said
    printed = said.splitlines()[-1].strip()
    done = subprocess.run(["/bin/sh", "-c", printed], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert stored(client, player) == [*range(5_000)]
