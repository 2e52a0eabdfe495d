"""gunicorn's worker: connections and messages, before and after the app. `gunicorn.py` names it.

    connections   the worker, and the life of a connection
    parsing       gunicorn's parser, held to RFC 9112; the answers to malformed messages
    sockets       sockets that keep what the client does not take yet

No other part of `app` imports it.
"""
