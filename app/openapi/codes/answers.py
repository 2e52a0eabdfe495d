"""Codes of calls that are refused. Nothing of such a request was stored, unless its page says otherwise."""

from app.openapi.codes.code import Code

CODES = (
    Code(
        name="INVALID_INPUT",
        meaning="The request is not what the call takes.",
        cause="The body is not JSON, lines or CSV of the call's shape, breaks off or came too slowly (408); a member "
        "or a query parameter is missing, unknown, stands twice or has a value that it may not have; a part of the "
        "path cannot be read; or the HTTP message itself is malformed.",
        remedy="Correct what the message names; of a misspelt name it says the nearest known one. `/docs` has the "
        "shape of each call. After a 408, send the same request again over a better connection, or its items in "
        "several requests.",
        message="limit must be a whole number from 1 to 500",
    ),
    Code(
        name="DIGEST_MISMATCH",
        meaning="The body is not the one that `Content-Digest` says.",
        cause="The body was damaged or cut on its way, or the digest is of other bytes: it must be of the body as it "
        "is sent, which is the compressed one under `Content-Encoding`.",
        remedy="Send the request again. If the code comes back, compare what is hashed with what is sent.",
        message="The body's sha-256 is not the one that Content-Digest says; send it again",
    ),
    Code(
        name="TEMPLATE_NOT_CONFIGURED",
        meaning="The tenant has not chosen a template yet.",
        cause="A template says which types, fields and keys may be sent, and nothing can be checked without one.",
        remedy="Choose one by `PUT /settings` with a `templateId`; `GET /templates` lists them.",
        message="Choose a template first: PUT /operator-data-api/settings with a templateId",
    ),
    Code(
        name="UNAUTHORIZED",
        meaning="The key is missing, unknown, revoked or expired, or its tenant is suspended.",
        cause="The header `Authorization: Bearer …` is missing or misspelt, the key belongs to the other API, or "
        "somebody revoked it.",
        remedy="Send a key of this API: `oh_live_…` for the operator API, `fm_live_…` for the public one. The "
        "people who run Sluice make keys with `sluice keys create`, and resume tenants with `sluice tenants resume`.",
        message="This API key has been revoked",
    ),
    Code(
        name="FORBIDDEN",
        meaning="The key is good, and may not do this.",
        cause="The call needs a scope that the key has not: `read` to read, `write` to write, and `admin` for keys, "
        "templates, settings, webhooks and personal data. Or the call would give a key more than the calling key has.",
        remedy="Use a key with the scope that the message names. A key with the scope `admin` changes what others may "
        "do by `PATCH /api-keys`, up to what it may do itself; the people who run Sluice make any by `sluice keys "
        "create --scope`. A key reads entities without their personal data by `?pii=false`.",
        message="This call needs a key with the scope admin; this one has read, write",
    ),
    Code(
        name="METHOD_NOT_ALLOWED",
        meaning="The address is there, and does not take this method.",
        cause="A client sends, say, POST where the call is a PUT, or a proxy has changed the method.",
        remedy="Use one of the methods that the header `Allow` of the answer names.",
        message="This address does not take this method; the Allow header names those it takes",
    ),
    Code(
        name="LAST_KEY",
        meaning="The key is the last active one of its tenant, or the last with the scope `admin`, and stays that.",
        cause="Without any key nobody could call as the tenant, and without one with `admin` nobody could make "
        "another key. So such a key cannot be revoked, lose that scope, or expire earlier.",
        remedy="Create another key first, and let every client use it; then revoke or change this one.",
        message="This is the tenant's last active key; create another one before you revoke it",
    ),
    Code(
        name="LIMIT_REACHED",
        meaning="The tenant has as many of these as it may have.",
        cause="Keys, templates, webhooks and open uploads have a limit for each tenant, so that none takes the room "
        "of others; so have the tries of a delivery.",
        remedy="Revoke, complete or delete some of those that are there, or wait until some have ended; the message "
        "names the limit.",
        message="This tenant has 1000 open uploads, the most that it may have; complete or delete some of them",
    ),
    Code(
        name="MASTER_KEY_MISSING",
        meaning="This installation has no master key, so it can store neither secrets nor personal data.",
        cause="A webhook, or a batch with `?callback=`, has a secret that signs its messages; a template lists fields "
        "under `pii_fields`. Both are stored encrypted alone.",
        remedy="The people who run Sluice run `sluice crypto generate` and set `SLUICE_MASTER_KEYS` to what it prints. "
        "Until then poll jobs, or wait for them by `Prefer: wait=N`, and choose a template without personal data.",
        message="This installation has no master key to encrypt with. Its operator runs `sluice crypto generate` and "
        "sets SLUICE_MASTER_KEYS to what that prints, for all processes alike",
    ),
    Code(
        name="SECRET_UNREADABLE",
        meaning="Something that is stored encrypted, such as personal data, cannot be decrypted.",
        cause="Its master key was taken out of `SLUICE_MASTER_KEYS`, or another one stands there under its id.",
        remedy="The people who run Sluice put the key back; `sluice crypto status` names the one that is missing. An "
        "entity can be read by `?pii=false` meanwhile, and sent again: that replaces what cannot be read.",
        message='SLUICE_MASTER_KEYS has no key "5d2c0e91", which the value was encrypted under',
    ),
    Code(
        name="RESULTS_NOT_KEPT",
        meaning="The job kept no result of each item.",
        cause="Results take room, so a job keeps them only if its batch asked for them.",
        remedy="Send batches whose results you want to read with `?keepResults=true`. The results of this job are not "
        "known any more; its counts and its errors are.",
        message="This job kept no results; send a batch with ?keepResults=true",
    ),
    Code(
        name="IDEMPOTENCY_IN_PROGRESS",
        meaning="The first request with this `Idempotency-Key` is still being processed.",
        cause="The request was repeated before the first one was answered, or two clients share a key.",
        remedy="Send the same request again after the seconds that `Retry-After` names: it then has the answer of the "
        "first one.",
        message="The first request with this Idempotency-Key is still being processed; nothing of this one was "
        "stored. Send it again after the time that Retry-After names",
    ),
    Code(
        name="WRONG_STATE",
        meaning="The job, upload or webhook is in a state in which this cannot be done.",
        cause="It has moved on since the client looked: an upload was completed and takes no more parts, a webhook is "
        "disabled, a job has ended, or did not come as CSV, or another job is sending the items of a retry again.",
        remedy="Read its state anew and go on from there; the message names the state, or that job.",
        message="This upload was completed; it takes no more parts, and cannot be deleted",
    ),
    Code(
        name="PARTS_MISSING",
        meaning="Parts of the upload have not arrived, so that it cannot be completed.",
        cause="A part was never sent, or its request broke off or was refused; or `parts` counts too many.",
        remedy="Send the parts whose numbers the message lists, then `complete` again. `GET /batch/uploads/{id}` "
        "lists what has arrived.",
        message="Of 12 parts 2 did not arrive; send parts 3, 7",
    ),
    Code(
        name="GONE",
        meaning="It was there, and was deleted because its time was over.",
        cause="A job is deleted with its errors and results some days after its end (`SLUICE_JOB_RETENTION_DAYS`, 30 "
        "by default), and so is its upload. An upload is deleted if no part came for 24 hours. Such an id is known "
        "for 90 days more; after that it is `NOT_FOUND`.",
        remedy="Do not ask again. The rows that the job has written stay. Begin another upload in place of one that is "
        "gone; leave `after` out if it names a job that is gone, since that has ended.",
        message="The job 'job_01985f0cf2d27b5c8d6a1f0e2b3c4d5e' ended so long ago that it was deleted, with its "
        "errors and results",
    ),
    Code(
        name="PAYLOAD_TOO_LARGE",
        meaning="The body is over the limit of bytes.",
        cause="The body has more bytes, after decoding, than the call takes, or expands more than a body may. `GET "
        "/capabilities` tells each limit.",
        remedy="Send the items in several requests; or as lines (`application/x-ndjson`), which may be of any size; "
        "or as an upload in parts.",
        message="The body is over 33554432 bytes",
    ),
    Code(
        name="UNSUPPORTED_MEDIA_TYPE",
        meaning="The call does not take a body of this type, character set or content coding.",
        cause="`Content-Type` or `Content-Encoding` is not one of the call's, or is another one than the upload said.",
        remedy="Send one of those that the message names, in UTF-8. For a coding, the header `Accept-Encoding` of the "
        "answer names those that are taken.",
        message="Send the body in UTF-8: no other character set is taken (RFC 8259)",
    ),
    Code(
        name="IDEMPOTENCY_KEY_REUSED",
        meaning="Another request had this `Idempotency-Key` in the last 24 hours.",
        cause="The body, the path or a parameter differs from the first request with the key, so that its answer "
        "would be wrong.",
        remedy="Make a new key for each new request, and repeat a request unchanged.",
        message="A request with another body, path or other parameters had this Idempotency-Key in the last 24 hours; "
        "nothing of this one was stored. Use a new key for each new request",
    ),
    Code(
        name="RATE_LIMITED",
        meaning="The tenant has made too many requests of this sort in the window.",
        cause="Each sort of calls has a limit for each tenant, which `GET /capabilities` tells, and a key may have one "
        "of its own. Or too many keys that open nothing came from the client's address.",
        remedy="Wait for the seconds that `Retry-After` names, and send the same again, with a good key. Send items in "
        "batches rather than one by one. The people who run Sluice may raise the limits (`SLUICE_RATE_BATCH` and the "
        "others).",
        message='More than 6000 requests in 60 seconds under "ingest:batch"',
    ),
    Code(
        name="INTERNAL_ERROR",
        meaning="The server met an error that it did not expect.",
        cause="A fault of Sluice, or something stored that cannot be read.",
        remedy="Send the request again, a write with the same `Idempotency-Key`. If the code comes back, tell the "
        "people who run Sluice the header `X-Request-Id` of the answer: the log has the error under it.",
        message="Something went wrong in the server; its log has it under the request id",
    ),
    Code(
        name="NOT_IMPLEMENTED",
        meaning="The server does not know this form of HTTP message.",
        cause="A message with another transfer coding than `chunked`.",
        remedy="Send the body with `Content-Length`, or as chunks; compress it by `Content-Encoding`.",
        message="Transfer-Encoding takes chunked, and nothing else",
    ),
    Code(
        name="UNAVAILABLE",
        meaning="The database cannot be reached or is too busy, or the server reads or sends as many long bodies "
        "as it can.",
        cause="A restart, a failover or an overload. Such times are short as a rule.",
        remedy="Send the request again after the seconds that `Retry-After` names, a write with the same "
        "`Idempotency-Key`: where the connection was lost, the first request may have been stored. `/readyz` and "
        "`sluice doctor` name what is down.",
        message="The database cannot be reached at the moment; send the request again",
    ),
    Code(
        name="INSUFFICIENT_STORAGE",
        meaning="The database has no room left for new data.",
        cause="The disk of the database is full, or nearly (`SLUICE_MIN_FREE_DISK_BYTES`). Reads still work.",
        remedy="Send the request again later. The people who run Sluice make room; jobs that wait go on by themselves.",
        message="The database has no room left for new data; nothing of this was stored, send it again later",
    ),
)
