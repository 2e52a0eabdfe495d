"""gunicorn's worker: connections and messages, before and after the app. `gunicorn.py` names it.

    connections   the worker, and the lives of connections
    connection    one of them
    parsing       gunicorn's parser, held to RFC 9112; the answers to malformed messages
    sockets       sockets that keep what the client does not take yet
    streams       the thread that serves all answers which go on for minutes

No other part of `app` imports it.
"""
