"""Each move of a job, by the process that makes it.

    acceptance    a request stores a batch as a job
    receiving     a request stores a job while its body arrives; uploads and parts: in parts, by several requests
    trials        a request stores a job that judges stored rows; a worker moves it on
    claims        a worker takes the next job
    blocks        a worker locks a block
    item_errors   a worker records the errors of items, and item_warnings their warnings
    results       a worker keeps what became of each accepted item
    errors        a request pages through the errors of items
    failed_items  an erasure finds encrypted texts of items that failed; clear_items has the others
    kept          an erasure finds what ended jobs keep unprocessed; open_uploads has what is no batch yet
    drafts        a request keeps edits of items that failed, which are not sent yet; edited_items: erasures find these
    children      a request sends items of a job again
    families      a job and those that retried it; retries: their items that may be sent again
    items         a request looks one item up
    completion    a worker closes a block, and with the last one its job
    control       a worker fails a job, or an operator cancels or pauses it; holds: no claim sees a paused one
    unreadable    a worker puts a job off whose items it cannot decrypt
    rescue        the sweeper finds jobs without progress
    failures      the sweeper fails jobs that can end in no other way
    outbox        every end of a job leaves a row, until it is announced
    timeline      what happened to a job, when, and who asked for it
    resealing     a rotation of master keys seals anew what jobs keep; digests: those of what clients sent
    lookup        any process reads jobs; gone: ids of those that retention has deleted
    listing       a request lists jobs, newest first; requests: the job of one request; writers: those that wrote a row
    queue         a request looks at what comes before a pending job; open_jobs counts these, durations times the ended

Imports `webhooks`, `tenants`, `bulk` and `connection`; knows no kind of items.
"""
