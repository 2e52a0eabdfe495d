"""This machine: room on its `disk`, the address where web is `listening`, and the death of a `parent` process.

Imports `ingest.errors` alone.
"""
