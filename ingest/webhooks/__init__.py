"""Webhooks, but for what is stored of them: messages as Standard Webhooks 1.0 has them, and the sending of them.

    urls        the URLs that a webhook may have
    addresses   the addresses that may be connected to
    message     a message: its body, its headers, and the secrets that sign it
    schedule    when a message is tried again
    sending     one try, over a connection to an address that was checked

`ingest.db.webhooks` has the tables, `ingest.engine.webhooks` joins the two.
"""
