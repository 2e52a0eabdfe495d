"""Takes out what keeps the promises, one thing at a time, in a copy of the tree: every test named must fail each time.

`python -m tests.chaos.mutants`, or `make chaos-mutants`. Ends with status 1 where a mutant lives.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PARTS = ("ingest", "app", "worker", "cli", "tests")
_FILES = ("pyproject.toml", "Procfile")

# Some mutants are noticed by what never happens: no need to wait for it as long as for what does.
_TIMEOUT_SECONDS = "20"
_TESTS_FAILED = 1  # pytest's exit status; any other says that the tests themselves are broken


@dataclass(frozen=True)
class Mutant:
    """A change that breaks a promise, and the tests that must fail on it.

    Attributes:
        changes: file, text that stands there once, and what takes its place.
        tests: pytest's names; each of them passes on the tree as it is, and fails on the mutant.
    """

    name: str
    changes: tuple[tuple[str, str, str], ...]
    tests: tuple[str, ...]


_RACES, _LOSSES = "tests/engine/test_executor_races.py", "tests/engine/test_executor_losses.py"
_ATOMIC, _EARLY = "tests/engine/test_atomic.py", "tests/engine/test_job_ends_early.py"
_DRY = "tests/engine/test_validate_only.py"
_UPLOADS = "tests/db/jobs/test_uploads.py"
_PAUSED = "tests/engine/test_paused_jobs.py"
_TRIALS = "tests/engine/test_trial.py"
_RECORDING, _SENDING = "tests/db/webhooks/test_recording.py", "tests/webhooks/test_sending.py"
_WRITTEN = 'faultpoints.passing("block.written")'

MUTANTS = (
    Mutant(
        "the message that the announcement leaves",
        (("ingest/engine/announcer.py", "            recording.record(conn, wanted)", "            pass"),),
        (
            f"{_RECORDING}::test_the_worker_that_ends_a_job_leaves_its_message",
            f"{_RECORDING}::test_sweep_leaves_the_message_of_an_end_that_no_process_announced",
        ),
    ),
    Mutant(
        "the lease of a message",
        (
            (
                "ingest/db/webhooks/sending.py",
                "SET next_at = now() + make_interval(secs => {LEASE_SECONDS}), tries",
                "SET tries",
            ),
        ),
        ("tests/worker/test_webhook_claims.py::test_a_mark_that_comes_after_the_lease_changes_nothing",),
    ),
    Mutant(
        "the check of a receiver's addresses",
        (("ingest/webhooks/sending.py", "all(map(is_public, found))", "True"),),
        (
            f"{_SENDING}::test_a_name_with_an_address_that_is_not_public_is_not_connected_to",
            f"{_SENDING}::test_a_resolver_that_changes_its_answer_is_asked_once_a_try",
        ),
    ),
    Mutant(
        "the deadline of a try",
        (
            (
                "ingest/webhooks/sending.py",
                "found = self._stream.read(max_bytes, _left(self._deadline))",
                "found = self._stream.read(max_bytes, 5)",
            ),
        ),
        (f"{_SENDING}::test_a_receiver_that_trickles_gains_no_time",),
    ),
    Mutant(
        "the block lock",
        (("ingest/db/jobs/blocks.py", "FOR UPDATE OF b {skip}", ""),),
        (
            "tests/chaos/test_deliveries.py::test_a_second_delivery_leaves_a_block_alone_that_is_held",
            f"{_RACES}::test_a_second_delivery_in_the_middle_of_a_block_leaves_at_once",
        ),
    ),
    Mutant(
        "the block under way of a paused job",
        (
            (
                "ingest/db/jobs/completion.py",
                "ANY (ARRAY[c.job_id]) AND j.status || '' IN ('processing', 'paused')",
                "ANY (ARRAY[c.job_id]) AND j.status || '' = 'processing'",
            ),
        ),
        (
            f"{_PAUSED}::test_a_job_paused_in_a_block_ends_that_block_and_begins_none",
            "tests/chaos/test_states_of_a_job.py::test_no_order_of_events_breaks_a_promise",
        ),
    ),
    Mutant(
        "the look at the job before its next block",
        (("ingest/db/jobs/blocks.py", "WHERE j.id = %s AND j.status || '' = 'processing'", "WHERE j.id = %s"),),
        (f"{_PAUSED}::test_a_job_paused_between_two_blocks_begins_no_further_one",),
    ),
    Mutant(
        "the turns of tenants",
        (("ingest/engine/block_runner.py", "fair and self.turn.is_over", "False"),),
        ("tests/engine/test_turns.py::test_a_small_job_is_next_after_the_blocks_that_are_under_way",),
    ),
    Mutant(
        "the lease on a check of stored rows",
        (("ingest/db/jobs/trials.py", " FOR UPDATE SKIP LOCKED", ""),),
        (f"{_TRIALS}::test_a_trial_that_another_worker_holds_is_left_to_it",),
    ),
    Mutant(
        "the place of the next row, moved on by the transaction that judges",
        (("ingest/db/jobs/trials.py", "SET payload = coalesce(%(place)s::bytea, '')", "SET payload = payload"),),
        (f"{_TRIALS}::test_a_late_claim_goes_on_where_the_trial_is_and_judges_no_row_twice",),
    ),
    Mutant(
        "one transaction for what is written and what is recorded",
        (("ingest/engine/transaction.py", _WRITTEN, f'conn.execute("COMMIT"), conn.execute("BEGIN"), {_WRITTEN}'),),
        (
            "tests/chaos/test_crash_points.py::test_kill_9_at_each_block_of_a_job_loses_and_doubles_nothing",
            f"{_LOSSES}::test_a_block_that_fails_at_any_step_leaves_nothing_and_is_done_once_later",
        ),
    ),
    Mutant(
        "the number of blocks of a body that has arrived",
        (
            (
                "ingest/db/jobs/receiving.py",
                "= 'receiving' AND blocks_open = %(blocks)s",
                "= 'receiving'",
            ),
        ),
        ("tests/db/jobs/test_receiving.py::test_a_job_that_lost_its_last_block_in_a_crash_is_not_accepted",),
    ),
    Mutant(
        "the removal of parts that still arrive when their upload is completed",
        (("ingest/db/jobs/uploads.py", "    parts.remove_unfinished(conn, upload_id)\n", ""),),
        (
            f"{_UPLOADS}::test_an_attempt_that_still_arrives_is_no_part_of_the_job",
            f"{_UPLOADS}::test_complete_waits_for_a_block_under_way_and_takes_it_away",
        ),
    ),
    Mutant(
        "the number of blocks of a part that has arrived",
        (("ingest/db/jobs/parts.py", "AND blocks = %(blocks)s FOR UPDATE", "FOR UPDATE"),),
        (f"{_UPLOADS}::test_an_attempt_that_was_removed_or_lost_a_block_leaves_the_part_before_it",),
    ),
    Mutant(
        "the order of two attempts at a part",
        (("ingest/db/jobs/parts.py", "AND whole AND number > %(number)s", "AND false"),),
        (f"{_UPLOADS}::test_the_attempt_that_began_last_is_the_part_whichever_ends_first",),
    ),
    Mutant(
        "the life of an upload between two parts",
        (
            (
                "ingest/db/jobs/receiving.py",
                "  AND NOT EXISTS (SELECT FROM uploads u WHERE u.job_id = j.id)\n",
                "",
            ),
        ),
        (f"{_UPLOADS}::test_an_upload_that_rests_between_two_parts_is_not_swept",),
    ),
    Mutant(
        "sweep",
        (("worker/sweep.py", "rescue.check_due_jobs(conn, heads=self._next_jobs(conn), limit=_MOST_CHECKED)", "[]"),),
        (
            "tests/chaos/test_broker.py::test_a_job_that_lost_its_message_begins_by_sweep",
            "tests/chaos/test_processes.py::test_a_job_whose_worker_was_killed_runs_on_with_another",
        ),
    ),
    Mutant(
        "the announcement of ends that were left",
        (("ingest/engine/announcer.py", "outbox.take_left(conn)", "list[Ended]()"),),
        (
            "tests/chaos/test_crash_points.py::test_the_end_of_a_job_whose_worker_died_before_it_told_is_announced_by_sweep",
            "tests/worker/test_sweep.py::test_a_job_that_a_command_cancels_wakes_its_request_and_the_jobs_that_waited",
        ),
    ),
    Mutant(
        "the bound of failed items",
        (
            (
                "ingest/db/jobs/completion.py",
                "\"j.failed + c.failed > (j.options ->> 'max_errors')::integer\"",
                '"false"',
            ),
        ),
        (
            f"{_EARLY}::test_a_job_fails_at_the_block_in_which_too_many_items_have_failed",
            f"{_EARLY}::test_a_block_that_another_worker_has_under_way_leaves_nothing_once_the_job_has_failed",
        ),
    ),
    Mutant(
        "the roll-back of an atomic job",
        (("ingest/engine/atomic.py", "    if errors:\n", "    if False:\n"),),
        (
            f"{_ATOMIC}::test_one_bad_item_undoes_all_of_it",
            f"{_ATOMIC}::test_each_bad_item_of_all_blocks_is_named_be_it_by_its_check_or_by_the_database",
        ),
    ),
    Mutant(
        "one transaction for an atomic job",
        (("ingest/engine/atomic.py", "now = lookup", 'conn.execute("COMMIT"), conn.execute("BEGIN"); now = lookup'),),
        (
            f"{_ATOMIC}::test_one_bad_item_undoes_all_of_it",
            f"{_ATOMIC}::test_a_cancellation_at_its_last_block_finds_its_job_unlocked_and_undoes_all",
        ),
    ),
    Mutant(
        "the order of the blocks of an atomic job",
        (("ingest/db/jobs/claims.py", "j.options ? 'atomic' IS TRUE", "false"),),
        (
            f"{_ATOMIC}::test_an_unordered_one_is_claimed_as_a_whole",
            f"{_ATOMIC}::test_an_unordered_one_that_a_worker_holds_is_left_alone_by_sweep",
        ),
    ),
    Mutant(
        "the roll-back of what is only validated",
        (("ingest/engine/transaction.py", "force_rollback=True", "force_rollback=False"),),
        (
            f"{_DRY}::test_its_effects_and_errors_are_those_of_the_batch_itself_and_nothing_is_written",
            f"{_DRY}::test_an_event_id_is_not_taken_by_it",
        ),
    ),
    Mutant(
        "the payload of what is only validated",
        (("ingest/db/jobs/completion.py", '"b.payload" if keeps_payload else', ""),),
        (f"{_DRY}::test_its_payload_stays_for_a_commit",),
    ),
    Mutant(
        "the bound of a page of results",
        (("ingest/db/jobs/results.py", "_BLOCKS_A_PAGE = 10", "_BLOCKS_A_PAGE = 1_000"),),
        ("tests/engine/test_keep_results.py::test_a_page_reads_few_rows_whatever_the_size_of_the_job",),
    ),
    Mutant(
        "the deadline of a client",
        (("ingest/db/jobs/failures.py", "deadline_at <= now()", "false"),),
        (
            "tests/worker/test_sweep.py::test_a_job_past_its_clients_deadline_ends_and_wakes_its_request_and_the_job_that_waited",
        ),
    ),
    Mutant(
        "the sort",
        (
            ("ingest/engine/writing.py", "sorted(places, key=keys.__getitem__)", "list(places)"),
            ("ingest/db/data/entities.py", "sorted(sorted(entities, key=_external_id), key=_scope)", "list(entities)"),
        ),
        (
            "tests/worker/test_recovery.py::test_two_workers_and_20_unordered_jobs_over_the_same_500_keys_do_not_deadlock",
            "tests/engine/test_writing.py::test_halves_are_written_in_the_order_in_which_rows_are_locked",
        ),
    ),
    Mutant(
        "the order in which ids of events are locked",
        (("ingest/db/data/events.py", "sorted(named, key=named.__getitem__)", "list(named)"),),
        ("tests/engine/test_event_ids.py::test_two_writers_of_the_same_ids_do_not_deadlock",),
    ),
    Mutant(
        "the wait for an event with the same id",
        (
            (
                "ingest/db/data/events.py",
                "ON CONFLICT (tenant_id, external_id) WHERE external_id IS NOT NULL DO NOTHING",
                "",
            ),
        ),
        ("tests/engine/test_event_ids.py::test_a_duplicate_waits_for_the_first_and_knows_its_id",),
    ),
    Mutant(
        "the order between jobs",
        (("ingest/db/jobs/claims.py", "e.kind = w.earlier AND e.seq < j.seq", "false"),),
        (
            "tests/db/jobs/test_order.py::test_two_workers_leave_what_a_model_of_one_after_the_other_says",
            "tests/db/jobs/test_order.py::test_a_job_waits_for_an_earlier_one_just_if_its_kind_does",
        ),
    ),
    Mutant(
        "the lock that keeps erasures out",
        (("ingest/engine/writers.py", "    erasure.keep_out(conn, target.tenant_id)\n", ""),),
        ("tests/db/data/test_erasure.py::test_no_erased_state_is_back_once_its_entity_is_revived",),
    ),
    Mutant(
        "the scale of numbers",
        (
            (
                "ingest/db/bulk/upsert.py",
                'f"ROW({one})::record *<> ROW({other})::record"',
                'f"{one} IS DISTINCT FROM {other}"',
            ),
        ),
        (
            "tests/engine/test_scale.py::test_a_number_that_differs_by_its_scale_alone_is_written",
            "tests/engine/test_scale.py::test_a_merge_writes_a_member_that_differs_by_its_scale_alone",
        ),
    ),
    Mutant(
        "the bound of merges",
        (("ingest/db/data/entity_statements.py", "{guard}", ""),),
        (
            "tests/db/data/test_growth.py::test_the_merges_that_would_let_a_row_grow_too_large_are_refused",
            "tests/db/data/test_growth.py::test_a_row_that_is_too_large_already_can_only_be_made_smaller",
        ),
    ),
    Mutant(
        "the finish guard",
        (("ingest/db/jobs/completion.py", "j.status || '' IN ('processing', 'paused')", "true"),),
        (
            "tests/chaos/test_deliveries.py::test_a_job_cancelled_in_its_last_block_stays_cancelled",
            f"{_RACES}::test_a_job_cancelled_while_a_block_is_under_way_keeps_nothing_of_that_block",
        ),
    ),
)


def stale(root: Path = _ROOT) -> Iterator[str]:
    """Yield a message for each text above that does not stand in the tree exactly once, and for each missing test."""
    for mutant in MUTANTS:
        for file, text, _ in mutant.changes:
            times = (root / file).read_text(encoding="utf-8").count(text)
            if times != 1:
                yield f"{mutant.name}: {text!r} stands {times} times in {file}, not once"
        for test in mutant.tests:
            file, _, name = test.partition("::")
            if f"def {name}(" not in (root / file).read_text(encoding="utf-8"):
                yield f"{mutant.name}: {file} has no {name}"


def main() -> None:
    if told := "\n".join(stale()):
        sys.exit(told)
    with tempfile.TemporaryDirectory(prefix="sluice-mutants-") as folder:
        tree = Path(folder)
        _copy(tree)
        every_test = sorted({test for mutant in MUTANTS for test in mutant.tests})
        status, said = _run(tree, every_test)
        if status != 0:
            sys.exit(f"the tests fail on the tree as it is:\n{said}")
        alive = [mutant.name for mutant in MUTANTS if not _is_noticed(tree, mutant)]
    sys.exit(f"not noticed by every test: {', '.join(alive)}" if alive else 0)


def _is_noticed(tree: Path, mutant: Mutant) -> bool:
    former = {file: (tree / file).read_text(encoding="utf-8") for file, _, _ in mutant.changes}
    for file, text, instead in mutant.changes:
        (tree / file).write_text((tree / file).read_text(encoding="utf-8").replace(text, instead), encoding="utf-8")
    status, said = _run(tree, [*mutant.tests])
    for file, text in former.items():
        (tree / file).write_text(text, encoding="utf-8")
    failed = set(re.findall(r"^FAILED ([^\s\[]+)", said, re.MULTILINE)) if status == _TESTS_FAILED else set()
    sys.stdout.write(f"without {mutant.name}:\n")
    for test in mutant.tests:
        sys.stdout.write(f"  {'noticed by' if test in failed else 'NOT NOTICED by'} {test}\n")
    if not failed:
        sys.stdout.write(said)
    sys.stdout.flush()
    return failed == set(mutant.tests)


def _run(tree: Path, tests: list[str]) -> tuple[int, str]:
    """pytest's exit status, and what it said."""
    env = {**os.environ, "PYTHONPATH": str(tree), "CHAOS_TIMEOUT_SECONDS": _TIMEOUT_SECONDS}
    env["COLUMNS"] = "1000"  # a test's name is told whole
    argv = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", "--no-header", *tests]
    done = subprocess.run(argv, cwd=tree, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def _copy(tree: Path) -> None:
    for part in _PARTS:
        shutil.copytree(_ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in _FILES:
        shutil.copy(_ROOT / file, tree / file)


if __name__ == "__main__":
    main()
