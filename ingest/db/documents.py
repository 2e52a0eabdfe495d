"""JSON documents on their way to Postgres: the sender's own text as binary jsonb, decoded by nobody in between."""

import msgspec
import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format


class _DocumentDumper(Dumper):
    """`msgspec.Raw` as jsonb: a version byte, then the text (`jsonb_recv` in PostgreSQL)."""

    format = Format.BINARY
    oid = psycopg.adapters.types["jsonb"].oid

    def dump(self, obj: msgspec.Raw) -> bytes:
        return b"\x01" + bytes(obj)


# Singly, in arrays and in COPY, on every connection of this process.
psycopg.adapters.register_dumper(msgspec.Raw, _DocumentDumper)
