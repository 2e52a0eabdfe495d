"""Every operation of both APIs: its method, its path, and whether it may be sent again after its answer was lost.

The names are the `operationId`s of the server's OpenAPI documents; a test holds this table to those. The jobs of the
public API have the same calls under its own base path, with `PublicJob` for `Job` in their names.
"""

from typing import NamedTuple


class Operation(NamedTuple):
    """A call.

    Attributes:
        method: of HTTP.
        path: below the address of the server, `{}` in the place of each argument.
        repeat: `key` sends an `Idempotency-Key`, so that a repeat does nothing more; `safe` does no harm twice; `never`
            is repeated only if the server has said that it did nothing.
    """

    method: str
    path: str
    repeat: str = "safe"


_OPERATOR = "/operator-data-api"
_PUBLIC = "/api/public/v1"
_JOBS = "/batch/jobs"


def _jobs(base: str, repeat: str) -> dict[str, Operation]:
    jobs = f"{base}{_JOBS}"
    job = f"{jobs}/{{}}"
    return {
        "listJobs": Operation("GET", jobs),
        "getJob": Operation("GET", job),
        "streamJob": Operation("GET", f"{job}/stream"),
        "listJobErrors": Operation("GET", f"{job}/errors"),
        "downloadJobErrors": Operation("GET", f"{job}/errors.ndjson"),
        "downloadJobErrorsAsCsv": Operation("GET", f"{job}/errors.csv"),
        "listJobWarnings": Operation("GET", f"{job}/warnings"),
        "listJobResults": Operation("GET", f"{job}/results"),
        "listJobTimeline": Operation("GET", f"{job}/timeline"),
        "getJobItem": Operation("GET", f"{job}/items/{{}}"),
        "cancelJob": Operation("POST", f"{job}/cancel", repeat),
        "pauseJob": Operation("POST", f"{job}/pause", repeat),
        "resumeJob": Operation("POST", f"{job}/resume", repeat),
        "relabelJob": Operation("PATCH", job, repeat),
        # Without a key, a lost answer to these would leave a second child.
        "retryJob": Operation("POST", f"{job}/retry", "key" if repeat == "key" else "never"),
        "commitJob": Operation("POST", f"{job}/commit", "key" if repeat == "key" else "never"),
    }


OPERATOR: dict[str, Operation] = {
    "writeEntities": Operation("POST", f"{_OPERATOR}/batch/entities", "key"),
    "writeEvents": Operation("POST", f"{_OPERATOR}/batch/events", "key"),
    "writeStates": Operation("POST", f"{_OPERATOR}/batch/states", "key"),
    "createUpload": Operation("POST", f"{_OPERATOR}/batch/uploads", "key"),
    "getUpload": Operation("GET", f"{_OPERATOR}/batch/uploads/{{}}"),
    "putUploadPart": Operation("PUT", f"{_OPERATOR}/batch/uploads/{{}}/parts/{{}}"),
    "deleteUpload": Operation("DELETE", f"{_OPERATOR}/batch/uploads/{{}}", "never"),
    "completeUpload": Operation("POST", f"{_OPERATOR}/batch/uploads/{{}}/complete", "key"),
    **_jobs(_OPERATOR, "key"),
    "upsertEntity": Operation("POST", f"{_OPERATOR}/entities", "key"),
    "getEntity": Operation("GET", f"{_OPERATOR}/entities/{{}}"),
    "deleteEntity": Operation("DELETE", f"{_OPERATOR}/entities/{{}}", "key"),
    "appendEvent": Operation("POST", f"{_OPERATOR}/entities/{{}}/events", "key"),
    "listEvents": Operation("GET", f"{_OPERATOR}/entities/{{}}/events"),
    "setState": Operation("PUT", f"{_OPERATOR}/entities/{{}}/state/{{}}", "key"),
    "getState": Operation("GET", f"{_OPERATOR}/entities/{{}}/state/{{}}"),
    "listStates": Operation("GET", f"{_OPERATOR}/entities/{{}}/state"),
    "listTemplates": Operation("GET", f"{_OPERATOR}/templates"),
    # Stores another version of the template each time.
    "storeTemplate": Operation("PUT", f"{_OPERATOR}/templates/{{}}", "never"),
    "checkTemplate": Operation("POST", f"{_OPERATOR}/templates/{{}}/check", "key"),
    "getTemplateJsonSchema": Operation("GET", f"{_OPERATOR}/templates/{{}}/json-schema"),
    "getTemplateExampleCsv": Operation("GET", f"{_OPERATOR}/templates/{{}}/example.csv"),
    "getTemplateExampleLines": Operation("GET", f"{_OPERATOR}/templates/{{}}/example.ndjson"),
    "getSettings": Operation("GET", f"{_OPERATOR}/settings"),
    "changeSettings": Operation("PUT", f"{_OPERATOR}/settings"),
    "getCapabilities": Operation("GET", f"{_OPERATOR}/capabilities"),
    "getWorkers": Operation("GET", f"{_OPERATOR}/workers"),
    "createWebhook": Operation("POST", f"{_OPERATOR}/webhooks", "never"),
    "listWebhooks": Operation("GET", f"{_OPERATOR}/webhooks"),
    "getWebhook": Operation("GET", f"{_OPERATOR}/webhooks/{{}}"),
    "changeWebhook": Operation("PATCH", f"{_OPERATOR}/webhooks/{{}}"),
    "deleteWebhook": Operation("DELETE", f"{_OPERATOR}/webhooks/{{}}", "never"),
    "rotateWebhook": Operation("POST", f"{_OPERATOR}/webhooks/{{}}/rotate", "never"),
    "testWebhook": Operation("POST", f"{_OPERATOR}/webhooks/{{}}/test", "never"),
    "listDeliveries": Operation("GET", f"{_OPERATOR}/webhooks/{{}}/deliveries"),
    "replayDelivery": Operation("POST", f"{_OPERATOR}/webhooks/{{}}/deliveries/{{}}/replay", "never"),
    "createKey": Operation("POST", "/api-keys", "never"),
    "listKeys": Operation("GET", "/api-keys"),
    "changeKey": Operation("PATCH", "/api-keys"),
    "revokeKey": Operation("DELETE", "/api-keys", "never"),
    "listAuditLog": Operation("GET", f"{_OPERATOR}/audit"),
}

PUBLIC: dict[str, Operation] = {
    # Two equal events are two events: a repeat doubles those that bear no event_id of their own.
    "recordEvent": Operation("POST", f"{_PUBLIC}/event", "never"),
    "recordEvents": Operation("POST", f"{_PUBLIC}/event/batch", "never"),
    "upsertObject": Operation("POST", f"{_PUBLIC}/object/upsert"),
    "upsertObjects": Operation("POST", f"{_PUBLIC}/object/batch"),
    "getObject": Operation("GET", f"{_PUBLIC}/object/{{}}/{{}}"),
    "getKeyHealth": Operation("GET", f"{_PUBLIC}/health"),
    **_jobs(_PUBLIC, "safe"),
}
