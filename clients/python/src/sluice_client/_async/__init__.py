"""The asynchronous client, and the source of the synchronous one: after a change, `make client` writes `_sync` anew."""
