"""This machine: room on its disk, the addresses where web listens, and the death of a parent process.

Imports `ingest.errors` alone.
"""
