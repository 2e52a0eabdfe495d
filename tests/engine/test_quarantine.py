import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ingest.engine.quarantine import poisonous

_ITEMS = [(index, msgspec.Raw(b'{"n": %d}' % index)) for index in range(100, 110)]


def leave_with_status_1() -> None:
    os._exit(1)


def leave_as_if_all_was_well() -> None:
    os._exit(0)


def leave_politely() -> None:
    sys.exit()


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run_out_of_time() -> None:
    signal.raise_signal(signal.SIGPROF)


def eat_memory() -> None:
    bytearray(4 * 1024**3)


def recurse() -> None:
    recurse()


def raise_an_error() -> None:
    raise RuntimeError("a fault of the check's own")


_DEATHS = [
    leave_with_status_1,
    leave_as_if_all_was_well,
    leave_politely,
    be_killed,
    run_out_of_time,
    eat_memory,
    recurse,
    raise_an_error,
]


def dying_at(*indexes: int, of: Callable[[], None]) -> Callable[[int, msgspec.Raw], object]:
    def check(index: int, text: msgspec.Raw) -> object:
        assert bytes(text) == b'{"n": %d}' % index
        return of() if index in indexes else None

    return check


@pytest.mark.parametrize("death", _DEATHS)
@pytest.mark.parametrize("index", [100, 105, 109])
def test_an_item_that_ends_the_process_is_named_and_its_neighbours_are_not(
    death: Callable[[], None], index: int
) -> None:
    assert poisonous(dying_at(index, of=death), _ITEMS) == {index}


def test_several_of_them_are_all_named() -> None:
    assert poisonous(dying_at(100, 101, 109, of=be_killed), _ITEMS) == {100, 101, 109}


def test_items_that_are_only_bad_are_not_named() -> None:
    assert poisonous(lambda index, _: ValueError(index), _ITEMS) == set()


def test_where_there_is_nothing_to_check_nobody_is_named() -> None:
    assert poisonous(dying_at(100, of=be_killed), []) == set()


def test_a_death_before_the_first_item_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    # The operating system refuses the child its limits, as it does where they are set lower from outside.
    monkeypatch.setattr("resource.setrlimit", lambda *_: be_killed())
    assert poisonous(dying_at(100, of=be_killed), _ITEMS) == set()


def test_two_deaths_at_an_item_do_not_name_it_yet(tmp_path_factory: pytest.TempPathFactory) -> None:
    marks = tmp_path_factory.mktemp("marks")

    def check(index: int, _: msgspec.Raw) -> None:
        if index == 104 and len(list(marks.iterdir())) < 2:
            (marks / str(os.getpid())).touch()
            be_killed()

    assert poisonous(check, _ITEMS) == set()


def test_a_check_ends_by_its_own_processor_time_and_never_by_the_clock() -> None:
    def check(_index: int, _text: msgspec.Raw) -> None:
        seconds, _ = signal.getitimer(signal.ITIMER_PROF)
        caught = signal.getsignal(signal.SIGPROF) != signal.SIG_DFL
        if caught or not 0 < seconds <= 60 or signal.getitimer(signal.ITIMER_REAL) != (0, 0):
            be_killed()

    previous = signal.signal(signal.SIGPROF, signal.SIG_IGN)
    try:
        assert poisonous(check, _ITEMS) == set()
    finally:
        signal.signal(signal.SIGPROF, previous)


def test_limits_that_the_child_is_refused_blame_nobody_and_let_no_second_worker_loose(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    here, loose = os.getpid(), tmp_path / "loose"
    monkeypatch.setattr("resource.setrlimit", refuse)
    try:
        assert poisonous(dying_at(100, of=be_killed), _ITEMS) == set()
    finally:
        if os.getpid() != here:
            loose.touch()
            os._exit(0)
    assert not loose.exists()


def test_no_child_is_left_behind() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text()
    poisonous(dying_at(103, of=leave_politely), _ITEMS)
    assert children.read_text() == before
