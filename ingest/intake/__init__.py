"""Turn a request body into blocks of items.

    blocks    cut a body, pack items, and read a block again

Imports `ingest.json_text` and `ingest.errors`. A worker judges the items, so `ingest.items` is not imported.
"""
