"""HTTP for both APIs, below every call.

    auth key_cache               the caller, by its key
    rate_limit rate_counter      the caller's rate limits
    services                     the connections of the process
    paths query pagination       ids in paths, query parameters, pages
    prefer idempotency           the headers `Prefer` and `Idempotency-Key`
    body responses errors        reading bodies, writing JSON, every error to one response
    request_log                  request ids and log lines
    describe shapes              descriptions of views for the OpenAPI document

Imports `ingest`; knows no call.
"""
