"""The whole of Sluice on one machine, for `sluice up`, `sluice demo` and the tests.

    with running_stack(Path(".sluice"), port=8000, flower_port=5555, workers=2) as stack:
        stack.api        # "http://127.0.0.1:8000", answering: /readyz has said 200
        stack.key        # a key of the tenant `local` (template tpl_igaming), the same at every start
        stack.flower     # "http://127.0.0.1:5555"
        stack.flower_login  # what flower asks for: "sluice, password …", the same at every start
        stack.settings   # ingest.settings.Settings: what the processes run with (database_url, redis_url, …)
        stack.log        # Path of the file that holds every process's lines, where they are not printed
        stack.poll(0.1)  # one round of supervision, 0.1 s at most: restarts dead programs; call it in a loop

    with running_servers(Path(...)) as servers:      # Postgres and Valkey alone: what tests need
        servers.database_url, servers.redis_url      # empty databases, over Unix sockets

Both clean up what they started, also on Ctrl-C and TERM (running_stack turns TERM and HUP into SystemExit), and after a
kill -9 of this process nothing of theirs is left. `port=None` and `flower_port=None` take free ones. DATABASE_URL and
REDIS_URL, where set, are used instead of embedded servers, each by itself. Errors: `cli.errors`.
"""

import http.client
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.errors import StackError
from cli.stack import procfile, servers
from cli.stack.datadir import DataDir
from cli.stack.localkey import local_key
from cli.stack.signals import orderly_end
from cli.stack.supervisor import Supervisor
from ingest.settings import Settings

_URLS = ("DATABASE_URL", "REDIS_URL")
_MASTER_KEYS = "SLUICE_MASTER_KEYS"

# Started in this order and stopped in the opposite one: first nothing comes in, then the work is put down.
_PROGRAMS = ("worker", "sweep", "webhooks", "flower", "web")
_SERVER_SECONDS = 120.0  # Postgres may have the WAL of a crash to replay
_MIGRATE_SECONDS = 300.0
_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Servers:
    """The two servers that a stack stands on."""

    database_url: str
    redis_url: str


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack; the module's docstring says what each attribute is."""

    api: str
    key: str
    flower: str
    flower_login: str
    settings: Settings
    log: Path
    supervisor: Supervisor

    def poll(self, seconds: float) -> None:
        """Supervise for one round: see `Supervisor.poll`.

        Args:
            seconds: how long to wait at most for something to happen.

        Raises:
            StackError: a program keeps dying.
        """
        self.supervisor.poll(seconds)


def embedded_urls() -> frozenset[str]:
    """Return which of the two URLs name an embedded server: those that are not set, nor as `…_FILE`."""
    return frozenset(name for name in _URLS if not (os.environ.get(name) or os.environ.get(f"{name}_FILE")))


def urls_for(data: DataDir, embedded: frozenset[str]) -> dict[str, str]:
    """Return the URLs of the embedded servers, as environment variables.

    Args:
        data: the data directory of the servers.
        embedded: which of the URLs name them.
    """
    urls = {"DATABASE_URL": data.database_url, "REDIS_URL": data.redis_url}
    return {name: urls[name] for name in embedded}


def master_keys_for(data: DataDir, database_url: str) -> dict[str, str]:
    """Return SLUICE_MASTER_KEYS of a data directory, as a variable; empty where the environment names some.

    Args:
        data: the data directory, in which `running_stack` makes a key where it has none.
        database_url: of the database that is used.
    """
    if os.environ.get(_MASTER_KEYS) or os.environ.get(f"{_MASTER_KEYS}_FILE"):
        return {}
    known = data.read_master_keys(database_url)
    return {} if known is None else {_MASTER_KEYS: known}


def settings_with(extra: Mapping[str, str]) -> Settings:
    """Return the settings that a process has whose environment is this one's with `extra`.

    Raises:
        SettingsError: some are wrong.
    """
    former = {name: os.environ.get(name) for name in extra}
    os.environ.update(extra)
    try:
        return Settings.from_env()
    finally:
        for name, value in former.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def running_servers(data_dir: Path) -> Iterator[Servers]:
    """Run embedded Postgres and Valkey, whatever the environment names.

    Args:
        data_dir: where their data are or shall be; made if need be.

    Raises:
        DataDirInUse: another stack runs there.
        StackError: they cannot run here, or do not answer in time.
    """
    data = DataDir(data_dir)
    with ExitStack() as exits:
        exits.enter_context(data.held())
        exits.enter_context(_naming_shortage(data))
        _start_servers(exits, data, frozenset(_URLS), data.log, ours_alone=False)
        yield Servers(data.database_url, data.redis_url)


@contextmanager
def running_stack(
    data_dir: Path, *, port: int | None, flower_port: int | None, workers: int | None, show: bool = False
) -> Iterator[Stack]:
    """Run everything: servers as the environment says, migrations, and the programs of the Procfile.

    Call it in the main thread.

    Args:
        data_dir: where data are or shall be; made if need be.
        port: of the API on 127.0.0.1; None: a free one.
        flower_port: of flower on 127.0.0.1; None: a free one.
        workers: processes that run jobs; None: as SLUICE_WORKER_PROCESSES says.
        show: print every process's lines, labelled, instead of writing them to `Stack.log`.

    Raises:
        SettingsError: the environment is wrong.
        DataDirInUse: another stack runs on these data.
        PortTaken: somebody else listens on one of the ports.
        StackError: a part does not start, or not in time.
    """
    data = DataDir(data_dir)
    embedded = embedded_urls()
    extra = {} if workers is None else {"SLUICE_WORKER_PROCESSES": str(workers)}
    settings_with(extra | urls_for(data, embedded))  # now: wrong settings are named before anything is touched
    with ExitStack() as exits:
        exits.enter_context(orderly_end())
        exits.enter_context(data.held())
        exits.enter_context(_naming_shortage(data))
        port, flower_port = procfile.free(port), procfile.free(flower_port)
        supervisor = _start_servers(exits, data, embedded, None if show else data.log, ours_alone=True)
        extra |= urls_for(data, embedded)
        database_url = settings_with(extra).database_url
        data.make_master_keys(database_url)
        extra |= master_keys_for(data, database_url)
        if "DATABASE_URL" in embedded and not os.environ.get("SLUICE_DATABASE_DIR"):
            extra["SLUICE_DATABASE_DIR"] = str(data.path)
        settings = settings_with(extra)
        # On loopback it takes any Host, so a page that a browser here has open could reach it and end workers.
        login = os.environ.get("FLOWER_BASIC_AUTH", "")
        shown = "as FLOWER_BASIC_AUTH says" if login else data.flower_login().replace(":", ", password ")
        login = login or data.flower_login()
        programs = procfile.programs(port, flower_port, extra | {"FLOWER_BASIC_AUTH": login})
        if supervisor.run(programs["migrate"], _MIGRATE_SECONDS) != 0:
            raise StackError("the database could not be brought up to date" + ("" if show else f": see {data.log}"))
        key = local_key(data, settings.database_url)
        for name in _PROGRAMS:
            supervisor.start(programs[name])
        try:
            supervisor.poll_until(lambda: _readiness(port)[0], "the API does not become ready", _READY_SECONDS)
        except StackError as error:
            raise StackError(f"{error.message}: {_readiness(port)[1]}") from None
        supervisor.gives_up = False  # it has worked, so whatever ends it now may pass: a full disk, for one
        yield Stack(procfile.address(port), key, procfile.address(flower_port), shown, settings, data.log, supervisor)


@contextmanager
def _naming_shortage(data: DataDir) -> Iterator[None]:
    """Let the last line of what fails name a full disk, whichever part met it."""
    try:
        yield
    except (StackError, OSError) as error:
        reason = error.message if isinstance(error, StackError) else str(error)
        if (shortage := data.shortage()) and not reason.endswith(shortage):
            raise StackError(f"{reason.rstrip()}\n{shortage}") from error
        raise


def _start_servers(
    exits: ExitStack, data: DataDir, embedded: frozenset[str], log: Path | None, *, ours_alone: bool
) -> Supervisor:
    """Start the embedded servers, which answer, under a supervisor; all ends with `exits`."""
    if not embedded:
        return exits.enter_context(Supervisor(log, data.shortage))
    run_as = servers.run_as_for(data)
    exits.enter_context(data.socket_dir(run_as))
    supervisor = exits.enter_context(Supervisor(log, data.shortage))
    if "DATABASE_URL" in embedded:
        supervisor.start(servers.prepare_postgres(data, run_as, supervisor.guard, ours_alone=ours_alone))
    if "REDIS_URL" in embedded:
        supervisor.start(servers.valkey(data, run_as))
        supervisor.poll_until(lambda: servers.valkey_answers(data), "Valkey does not answer", _SERVER_SECONDS)
    if "DATABASE_URL" in embedded:
        supervisor.poll_until(lambda: servers.postgres_answers(data), "Postgres does not answer", _SERVER_SECONDS)
    return supervisor


def _readiness(port: int) -> tuple[bool, str]:
    """Return whether the API is ready, and its answer or the error."""
    with closing(http.client.HTTPConnection(procfile.LOCALHOST, port, timeout=5)) as connection:
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return answer.status == http.HTTPStatus.OK, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return False, f"it does not answer ({type(error).__name__})"
