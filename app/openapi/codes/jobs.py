"""Codes of jobs that failed: each stands in the `error` of its job. The rows that the job had written before stay."""

from app.openapi.codes.code import Code

CODES = (
    Code(
        name="TOO_MANY_ERRORS",
        meaning="More items of the job failed than its batch allows.",
        cause="The batch was sent with `?maxErrors=N`, and more than N items had failed after a block.",
        remedy="Read the job's errors, correct the items, and send those that failed and those that are unprocessed "
        "again.",
        message="More items failed than ?maxErrors=100 allows; what was done before stands",
    ),
    Code(
        name="DEADLINE_EXCEEDED",
        meaning="The job had not ended when its deadline was over.",
        cause="The batch was sent with `?deadline=N`, and the job waited or ran for longer than N seconds.",
        remedy="Send the rest again if it is still wanted, with a longer deadline or none. `sluice doctor` tells "
        "whether workers keep up.",
        message="It had not ended 60 seconds after it was accepted (?deadline=)",
    ),
    Code(
        name="ATOMIC_ABORTED",
        meaning="An item of an atomic job is bad, so none of its items was written.",
        cause="The batch was sent with `?atomic=true`. The job lists the error of each bad item.",
        remedy="Correct these items and send the whole batch again.",
        message="1 of 3 items are bad, so none was written (?atomic=true)",
    ),
    Code(
        name="PREDECESSOR_FAILED",
        meaning="The job that this one was to come after has not completed.",
        cause="The batch was sent with `?after=`, and the job named there failed or was cancelled.",
        remedy="Mend that one first and send both again; or send this one with `&afterAny=true`, which runs it "
        "whatever became of the other.",
        message="The job that this one comes after has not completed (?after=); ?afterAny=true runs it all the same",
    ),
    Code(
        name="JOB_UNRUNNABLE",
        meaning="The job as it is stored cannot be run.",
        cause="Its stored batch or its template is missing or damaged: somebody has changed the tables, or a backup "
        "was restored in part.",
        remedy="Send the items that are unprocessed again. The people who run Sluice look with `sluice verify`.",
        message="The stored batch is missing, so the remaining items cannot be processed",
    ),
    Code(
        name="JOB_DEADLINE",
        meaning="The job was tried again and again, and did not move.",
        cause="Five deliveries or more in `SLUICE_JOB_DEADLINE_SECONDS`, an hour by default, closed no block: workers "
        "died or hung each time. Time in which Sluice was down does not count.",
        remedy="Send the items that are unprocessed again, in smaller batches. The workers' log has the reason.",
        message="No progress within 3600 seconds of trying; see the workers' log for the reason",
    ),
)
