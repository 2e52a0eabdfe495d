"""`sluice load` as a process: files in, exit codes, error files, and what is printed."""

import gzip
import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
import zstandard
from click.testing import CliRunner
from sluice_client import Client

from cli import main
from tests.e2e.running import SLUICE, command_result, environment, free_port

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def client(stack, client_key):
    with Client(stack.api, key=client_key) as opened:
        yield opened


@pytest.fixture
def label():
    return uuid4().hex


@pytest.fixture
def load(stack, client_key, tmp_path, monkeypatch):
    """Runs the command in this process, in the folder of the test."""
    monkeypatch.chdir(tmp_path)
    others = {name: None for name in os.environ if name.startswith("SLUICE_")}

    def run(*arguments, **settings):
        env = {**others, "SLUICE_URL": stack.api, "SLUICE_KEY": client_key} | settings
        return CliRunner().invoke(main, ["load", *map(str, arguments)], env=env, prog_name="sluice")

    return run


@pytest.fixture
def load_process(stack, client_key, tmp_path):
    """Runs the command as a process of its own, as people do."""

    def run(*arguments, stdin=None, program=SLUICE, **settings):
        env = environment(SLUICE_URL=stack.api, SLUICE_KEY=client_key) | settings
        given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        command = [program, "load", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False, timeout=60, **given)
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


class Result(NamedTuple):
    """The end of a process, by the names of click's own."""

    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def write(tmp_path, label):
    """Writes a CSV of players, whose emails some lack."""

    def players(name="players.csv", count=20, bad=(), first=0):
        rows = [
            f"{label}-{number},{'' if number in bad else f'p{number}@example.com'}" for number in range(first, count)
        ]
        (tmp_path / name).write_text("\n".join(["externalId,email", *rows, ""]))
        return name

    return players


PLAYERS = ("--kind", "entities", "--type", "player")


def report_of(done):
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def last_line(done):
    return done.stderr.splitlines()[-1]


def test_a_good_file_ends_with_0_and_leaves_nothing_behind(load_process, write, client, tmp_path, label):
    done = load_process(*PLAYERS, "--label", label, write())
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert last_line(done).startswith("players.csv: 20 items: 20 created, in ")
    [job] = client.jobs.list(label=label)
    assert job.id in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["players.csv"]


def test_sluice_client_load_is_the_same_command(load_process, write):
    done = load_process(*PLAYERS, "--json", write(), program=SLUICE.with_name("sluice-client"))
    assert done.exit_code == 0, done.stderr
    assert report_of(done)["effects"]["created"] == 20


def test_bad_records_end_with_3_and_load_back_once_they_are_mended(load_process, write, client, tmp_path, label):
    done = load_process(*PLAYERS, "--json", write(bad={3, 17}))
    report = report_of(done)
    assert (done.exit_code, report["total"], report["failed"]) == (3, 20, 2)
    assert report["effects"]["created"] == 18
    assert report["errorsFile"] == "players.csv.failed.ndjson"
    assert '2 items: VALIDATION_FAILED: Missing required field: "email" (first in line 5)' in done.stderr
    failed = tmp_path / report["errorsFile"]
    assert load_process("--kind", "entities", failed.name).exit_code == 3, "it loads as it is, and is as bad"
    failed.write_text(failed.read_text().replace('"data":{}', '"data":{"email":"mended@example.com"}'))
    assert load_process("--kind", "entities", failed.name).exit_code == 0
    assert client.entities.get(f"{label}-17").data == {"email": "mended@example.com"}


def test_the_report_has_three_reasons_in_the_words_of_an_item_and_counts_the_rest(load, tmp_path):
    rows = ["a,,1", "b,,1", "c,c@example.com,x", "d,d@example.com,y", "e,e@example.com", "f,f@example.com,2,3"]
    (tmp_path / "a.csv").write_text("externalId,email,level:number\n" + "\n".join(rows))
    told = load(*PLAYERS, "a.csv").stderr.splitlines()
    assert told[1] == '  2 items: VALIDATION_FAILED: Missing required field: "email" (first in line 2)'
    assert told[2].startswith('  2 items: VALIDATION_FAILED: Column "level:number" must be a number')
    assert told[3].startswith("  1 item: VALIDATION_FAILED: The row has 2 cells where the header has 3")
    assert told[4] == "  1 more item"
    assert told[5].startswith("  4 rows of them make no item: --errors-format csv keeps rows as they are")
    told = load(*PLAYERS, "--errors-format", "csv", "a.csv").stderr
    assert "make no item" not in told


def test_records_of_a_failed_file_are_those_of_the_sender(load, tmp_path):
    bad = b'{"entityType": "player",  "externalId":"\\u00e9", "data": {"email": 1e2, "x": 12345678901234567890.50}}\n'
    (tmp_path / "a.ndjson").write_bytes(b'{"no json\n' + bad.replace(b'"email": 1e2, ', b""))
    assert load("a.ndjson", "--kind", "entities").exit_code == 3
    first, second = (tmp_path / "a.ndjson.failed.ndjson").read_bytes().splitlines()
    assert json.loads(first)["_raw"] == '{"no json'
    assert second.startswith(
        b'{"entityType": "player",  "externalId":"\\u00e9", "data": {"x": 12345678901234567890.50}'
    )
    assert json.loads(second)["_sluice"]["line"] == 2


def test_errors_of_csv_are_csv_where_that_is_wished(load_process, write, tmp_path, label):
    write(bad={4})
    assert load_process(*PLAYERS, "--errors-format", "csv", "--errors", "bad.csv", "players.csv").exit_code == 3
    header, row = (tmp_path / "bad.csv").read_text().splitlines()
    assert header.startswith("externalId,email,sluice_index,")
    assert row.startswith(f"{label}-4,,4,6,VALIDATION_FAILED,")
    assert load_process(*PLAYERS, "bad.csv").exit_code == 3
    done = load_process(*PLAYERS, "--errors", "-", "players.csv")
    assert json.loads(done.stdout)["externalId"] == f"{label}-4"


@pytest.mark.parametrize(("safe", "cell"), [((), "=1+1"), (("--errors-safe-for-excel",), "'=1+1")])
def test_cells_that_are_formulas_are_made_harmless_only_if_that_is_wished(load, tmp_path, safe, cell):
    (tmp_path / "a.csv").write_text("externalId,email,x\n=1+1,,-5\n")
    assert load(*PLAYERS, "--errors-format", "csv", *safe, "a.csv").exit_code == 3
    row = (tmp_path / "a.csv.failed.csv").read_text().splitlines()[1]
    assert row.startswith(f"{cell},,{'-5' if not safe else chr(39) + '-5'},0,2,")


def test_a_dry_run_writes_nothing_and_says_the_same(load, write, client, label):
    done = load(*PLAYERS, "--dry-run", "--json", write(bad={1}))
    assert (done.exit_code, report_of(done)["effects"]["created"]) == (3, 19)
    assert "nothing was written" in last_line(done)
    with pytest.raises(Exception, match="404"):
        client.entities.get(f"{label}-0")


def test_too_many_errors_end_with_4_and_the_rest_is_unprocessed(load, write):
    done = load(*PLAYERS, "--max-errors", "2", "--json", write(count=30, bad=range(10)))
    assert done.exit_code == 4, done.stderr
    assert "TOO_MANY_ERRORS" in done.stderr


def test_a_share_of_errors_ends_with_4_too(load, write):
    assert load(*PLAYERS, "--max-errors", "10%", write(count=30, bad={1, 2, 3})).exit_code == 3
    assert load(*PLAYERS, "--max-errors", "9%", write(count=30, bad={1, 2, 3})).exit_code == 4


def test_a_wrong_key_is_told_before_any_file_is_read(load_process, tmp_path):
    os.mkfifo(tmp_path / "pipe.ndjson")  # opening it would wait for ever
    done = load_process("--kind", "entities", "pipe.ndjson", SLUICE_KEY="oh_live_" + "0" * 64)
    assert done.exit_code == 1
    assert "401 UNAUTHORIZED" in done.stderr


def test_no_key_and_no_address_are_78_and_an_absent_server_is_69(load, write, tmp_path):
    write()
    assert load(*PLAYERS, "players.csv", SLUICE_KEY="").exit_code == 78
    assert load(*PLAYERS, "--key", "@absent", "players.csv").exit_code == 78
    assert load(*PLAYERS, "players.csv", SLUICE_URL="localhost").exit_code == 78
    done = load(*PLAYERS, "players.csv", SLUICE_URL=f"http://127.0.0.1:{free_port()}")
    assert done.exit_code == 69, done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "players.csv"]


def test_the_key_comes_from_a_file_or_from_the_stack_of_the_folder(load, write, client_key, tmp_path):
    (tmp_path / "key").write_text(f"{client_key}\n")
    assert load(*PLAYERS, "--key", "@key", write(), SLUICE_KEY="").exit_code == 0
    (tmp_path / ".sluice").mkdir()
    (tmp_path / "key").rename(tmp_path / ".sluice" / "key")
    assert load(*PLAYERS, "players.csv", SLUICE_KEY="").exit_code == 0


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (["absent.csv"], "absent.csv: No such file"),
        (["*.parquet"], "no file matches *.parquet"),
        (["players.csv", "players.csv"], "named twice"),
        (["."], ". is a folder"),
        (["a.xlsx"], "should end in"),
        (["empty.csv"], "empty.csv is empty"),
        (["cut.csv.gz"], "cut off or damaged"),
        (["wrong.csv"], '"externalId"'),
    ],
)
def test_a_file_that_cannot_be_loaded_is_told_and_ends_with_1(load, write, tmp_path, files, says):
    write()
    (tmp_path / "a.xlsx").touch()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "wrong.csv").write_text("id,email\n1,a@example.com\n")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress((tmp_path / "players.csv").read_bytes())[:-9])
    done = load(*PLAYERS, *files)
    assert (done.exit_code, says in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--kind", "players", "a.csv"),
        ("--json", "--errors", "-", "a.csv"),
        ("--no-follow", "--errors", "x", "a.csv"),
        ("--no-follow", "--max-errors", "1%", "a.csv"),
        ("--errors-safe-for-excel", "a.csv"),
        ("--errors", "x", "--errors-format", "csv", "a.csv", "b.csv"),
        ("--atomic", "-"),
        ("--max-errors", "many", "a.csv"),
        ("--segment", "1 GB", "a.csv"),
        ("--segment", "64MiB", "a.csv"),
        ("--map", "externalId", "a.csv"),
        ("--encoding", "klingon", "a.csv"),
    ],
)
def test_wrong_usage_ends_with_2(load, arguments, write):
    write("a.csv")
    write("b.csv")
    done = load(*arguments)
    assert done.exit_code == 2, done.stderr


def test_the_key_of_all_rows_of_states_is_said_by_type(load, write, client, tmp_path, label):
    load(*PLAYERS, write(count=1))
    (tmp_path / "balances.csv").write_text(f"externalId;Saldo\n{label}-0;1.234,50\n")
    (tmp_path / "balances.ndjson").write_text(f'{{"externalId": "{label}-0", "value": 7}}\n')
    told = ("--kind", "states", "--type", "balance")
    done = load(*told, "--delimiter", ";", "--decimal-comma", "--map", "value:number=Saldo", "balances.csv")
    assert done.exit_code == 0, done.stderr
    assert [(state.state_key, state.value) for state in client.states.list(external_id=f"{label}-0")] == [
        ("balance", 1234.5)
    ]
    assert load(*told, "balances.ndjson").exit_code == 0
    assert [state.value for state in client.states.list(external_id=f"{label}-0")] == [7]


def test_several_files_are_a_job_each_in_their_order(load, write, client, label):
    write("1.csv", count=5)
    write("2.csv", count=5, bad={2})
    done = load(*PLAYERS, "--json", "--label", label, "?.csv")
    report = report_of(done)
    assert (done.exit_code, report["files"], report["total"], report["failed"]) == (3, ["1.csv", "2.csv"], 10, 1)
    assert [job.id for job in client.jobs.list(label=label)] == report["jobs"][::-1]
    assert report["errorsFile"] == "2.csv.failed.ndjson"
    assert last_line(done).startswith("2 files: 10 items: ")


def test_not_following_prints_the_job_and_leaves_no_journal(load, write, client, tmp_path):
    done = load(*PLAYERS, "--no-follow", "--json", write())
    [job_id] = report_of(done)["jobs"]
    assert done.exit_code == 0
    assert client.jobs.get(job_id).wait().effects.created == 20
    assert [file.name for file in tmp_path.iterdir()] == ["players.csv"]


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress])
def test_standard_input_is_loaded_in_batches_with_places_in_all_of_it(load_process, write, tmp_path, compress):
    write(count=40, bad={25})
    text = compress((tmp_path / "players.csv").read_bytes())
    done = load_process(*PLAYERS, "--format", "csv", "--segment", "500B", "--json", "-", stdin=text)
    report = report_of(done)
    assert (done.exit_code, report["total"], report["failed"]) == (3, 40, 1), done.stderr
    assert len(report["jobs"]) > 3
    note = json.loads((tmp_path / "stdin.failed.ndjson").read_text())["_sluice"]
    assert (note["index"], note["line"]) == (25, 27)


def test_a_pipe_that_is_run_again_makes_no_second_job(load_process, client, label):
    lines = b"".join(
        json.dumps({"entityType": "player", "externalId": f"{label}-{number}", "data": {"email": "a@b.com"}}).encode()
        + b"\n"
        for number in range(10)
    )
    first, second = (report_of(load_process("--json", "--label", label, "-", stdin=lines)) for _ in range(2))
    assert first["jobs"] == second["jobs"] == [job.id for job in client.jobs.list(label=label)]
    anew = report_of(load_process("--json", "--label", label, "--restart", "-", stdin=lines))
    assert anew["jobs"] != first["jobs"]


def test_an_array_of_json_and_other_encodings_are_loaded(load, client, tmp_path, label):
    items = [{"externalId": f"{label}-{number}", "data": {"email": "a@b.com", "x": "é"}} for number in range(3)]
    (tmp_path / "a.json").write_text(json.dumps(items, indent=2))
    assert load(*PLAYERS, "a.json").exit_code == 0
    (tmp_path / "b.csv").write_bytes(f"ID;E-mail\n{label}-b;é@b.com\n".encode("latin-1"))
    mapped = ("--map", "externalId=ID", "--map", "data.email=E-mail", "--delimiter", ";")
    assert load(*PLAYERS, *mapped, "--encoding", "latin-1", "b.csv").exit_code == 0
    assert client.entities.get(f"{label}-b").data == {"email": "é@b.com"}
    assert client.entities.get(f"{label}-2").data["x"] == "é"


def test_cells_with_a_comma_and_cells_of_nothing_are_read_as_numbers_and_null(load, client, tmp_path, label):
    (tmp_path / "map.json").write_text('{"externalId": "ID", "balance:number": "Saldo", "born:date": "Geb"}')
    (tmp_path / "a.csv").write_text(
        f"ID;email;Saldo;Geb\n{label}-a;a@b.com;1.234,50;6.4.1990\n{label}-b;b@b.com;NA;NA\n"
    )
    told = ("--delimiter", ";", "--decimal-comma", "--date-format", "dd.mm.yyyy", "--null", "NA")
    arguments = ("--map-file", "map.json", *told)
    done = load(*PLAYERS, *arguments, "a.csv")
    assert done.exit_code == 0, done.stderr
    data = client.entities.get(f"{label}-a").data
    assert (str(data["balance"]), data["born"]) == ("1234.50", "1990-04-06")
    assert client.entities.get(f"{label}-b").data == {"email": "b@b.com", "balance": None, "born": None}


def test_the_template_says_which_cells_are_numbers_with_a_comma(load, flights_key, stack, tmp_path, label):
    header = "externalId;name;lat;lon;alt;tz;dst;tzone"
    (tmp_path / "a.csv").write_text(f"{header}\n{label};Gate 1,5;40,25;-73,5;1.024;-5;U;a\n")
    arguments = ("--kind", "entities", "--type", "airport", "--delimiter", ";", "--decimal-comma")
    done = load(*arguments, "a.csv", SLUICE_KEY=flights_key)
    assert done.exit_code == 0, done.stderr
    with Client(stack.api, key=flights_key) as client:
        stored = client.entities.get(label).data
    assert [str(stored[name]) for name in ("name", "lat", "lon", "alt")] == ["Gate 1,5", "40.25", "-73.5", "1024"]


@pytest.mark.parametrize(
    "option",
    [
        ("--map", "externalId=ID"),
        ("--map-file", "map.json"),
        ("--delimiter", ";"),
        ("--decimal-comma",),
        ("--date-format", "yyyymmdd"),
        ("--null", "NA"),
        ("--errors-format", "csv"),
    ],
)
def test_an_option_of_csv_is_refused_for_json_before_any_file_is_sent(load, write, client, tmp_path, label, option):
    (tmp_path / "map.json").write_text('{"externalId": "ID"}')
    (tmp_path / "b.ndjson").write_text('{"entityType": "player"}\n')
    done = load(*PLAYERS, "--label", label, *option, write(), "b.ndjson")
    assert (done.exit_code, f"{option[0]}" in done.stderr) == (2, True)
    assert "b.ndjson holds JSON" in done.stderr
    assert [*client.jobs.list(label=label)] == []


@pytest.mark.parametrize(("name", "option"), [("sluice-journal", "SLUICE_JOURNALS"), ("failed.ndjson", "--errors")])
def test_a_file_beside_which_nothing_can_be_written_is_not_sent(load, write, client, tmp_path, label, name, option):
    (tmp_path / f"players.csv.{name}.new").mkdir()  # what root cannot open either
    done = load(*PLAYERS, "--label", label, write())
    assert (done.exit_code, f"players.csv.{name} cannot be written" in done.stderr) == (1, True)
    assert option in done.stderr
    assert [*client.jobs.list(label=label)] == []


def test_the_first_records_alone_are_loaded_for_a_quick_look(load, write):
    report = report_of(load(*PLAYERS, "--stop-after", "3", "--json", write()))
    assert report["total"] == 3


def test_the_kind_is_that_of_the_first_record(load, write, tmp_path, label):
    write()
    assert load(*PLAYERS, "players.csv").exit_code == 0
    (tmp_path / "e.csv").write_text(f"externalId,eventType,x\n{label}-1,session,1\n")
    (tmp_path / "s.ndjson").write_text(json.dumps({"externalId": f"{label}-1", "stateKey": "balance", "value": 1}))
    report = report_of(load("--json", "e.csv", "s.ndjson"))
    assert report["effects"]["created"] == 2
    done = load("players.csv")
    assert (done.exit_code, "--kind entities, events or states" in done.stderr) == (1, True)


def test_a_tenant_without_a_template_is_told_so_before_anything_is_sent(load, write, stack):
    at = {"SLUICE_DATA_DIR": str(stack.data_dir)}
    tenant = command_result("tenants", "create", "Bare", **at)["id"]
    key = command_result("keys", "create", "--tenant", tenant, "--prefix", "oh_live", **at)["key"]
    done = load(*PLAYERS, write(), SLUICE_KEY=key)
    assert (done.exit_code, "TEMPLATE_NOT_CONFIGURED" in done.stderr) == (1, True)


def test_the_printed_command_has_no_key_of_the_command_line(load, write, client_key):
    away = f"http://127.0.0.1:{free_port()}"
    done = load(*PLAYERS, "--key", client_key, "--url", away, write("a b.csv"))
    assert client_key not in done.stderr


@pytest.fixture
def flights_key(stack):
    """A key of a tenant whose template is that of the flights."""
    at = {"SLUICE_DATA_DIR": str(stack.data_dir)}
    tenant = command_result("tenants", "create", "Flights", "--template", "tpl_igaming", **at)["id"]
    key = command_result("keys", "create", "--tenant", tenant, "--prefix", "oh_live", **at)["key"]
    with Client(stack.api, key=key) as client:
        client.templates.store("tpl_flights", **json.loads((EXAMPLES / "template.json").read_text()))
        client.settings.change(template_id="tpl_flights")
    return key


def test_real_flights_are_loaded_from_their_csv_as_it_is(load, flights_key):
    common = ("--map", "externalId=tailnum", "--null", "NA", "--json", "--errors", "errors.ndjson")
    done = load("--kind", "entities", "--type", "plane", *common, EXAMPLES / "planes.csv", SLUICE_KEY=flights_key)
    assert report_of(done)["effects"]["created"] == 3_322, done.stderr
    done = load("--kind", "events", "--type", "flight", *common, EXAMPLES / "flights.csv", SLUICE_KEY=flights_key)
    flights = report_of(done)
    assert (done.exit_code, flights["total"], flights["failed"]) == (3, 6_104, 345 + 926)
    assert '345 items: VALIDATION_FAILED: Missing required field: "externalId"' in done.stderr
