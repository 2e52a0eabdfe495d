"""The usual way: a Flask endpoint hands each batch to Celery, whose worker checks and writes its items one by one.

At its best for what it is: one transaction a batch, prepared statements, no result backend. The batch travels in the
message, as it mostly does. Run by gunicorn as `benchmarks.peers.naive:create_app()` and by
`celery --app benchmarks.peers.naive worker`.
"""

import os
from functools import lru_cache
from typing import Any
from uuid import uuid4

import psycopg
from celery import Celery
from flask import Flask, request
from marshmallow import RAISE, Schema, ValidationError, fields, validate
from psycopg.types.json import Jsonb

TABLES = """
CREATE TABLE batches (
    id uuid PRIMARY KEY, total integer NOT NULL, done integer NOT NULL DEFAULT 0, failed integer NOT NULL DEFAULT 0,
    status text NOT NULL DEFAULT 'pending'
);
CREATE TABLE entities (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    external_id text NOT NULL UNIQUE,
    type text NOT NULL,
    properties jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
"""
_ACCEPT = "INSERT INTO batches (id, total) VALUES (%s, %s)"
_UPSERT = """
INSERT INTO entities (external_id, type, properties) VALUES (%s, %s, %s)
ON CONFLICT (external_id) DO UPDATE
SET type = excluded.type, properties = excluded.properties, updated_at = now()
"""
_DONE = "UPDATE batches SET done = %s, failed = %s, status = 'completed' WHERE id = %s"


class Player(Schema):
    email = fields.String(required=True)
    first_name = fields.String()
    country = fields.String()
    currency = fields.String()
    registration_date = fields.String()
    vip_level = fields.Integer(strict=True)


class Entity(Schema):
    class Meta:
        unknown = RAISE

    entityType = fields.String(required=True, validate=validate.OneOf(["player", "operator", "game"]))  # noqa: N815
    externalId = fields.String(required=True, validate=validate.Length(1, 500))  # noqa: N815
    data = fields.Nested(Player, required=True)


_schema = Entity()
celery = Celery("naive", broker=os.environ.get("BROKER_URL"))
celery.conf.update(task_ignore_result=True, worker_concurrency=2, broker_connection_retry_on_startup=True)


@lru_cache(maxsize=1)
def _connection() -> psycopg.Connection[Any]:
    """This process's own; opened at its first task or request, after the fork."""
    return psycopg.connect(os.environ["DATABASE_URL"])


@celery.task
def write(batch_id: str, items: list[dict[str, Any]]) -> None:
    conn = _connection()
    failed = 0
    with conn.transaction():
        for item in items:
            try:
                loaded = _schema.load(item)
            except ValidationError:
                failed += 1
                continue
            conn.execute(_UPSERT, (loaded["externalId"], loaded["entityType"], Jsonb(loaded["data"])))
        conn.execute(_DONE, (len(items) - failed, failed, batch_id))
    conn.commit()


def create_app() -> Flask:
    app = Flask(__name__)

    @app.post("/entities")
    def accept() -> tuple[dict[str, Any], int]:
        items = request.get_json()
        batch_id = str(uuid4())
        with psycopg.connect(os.environ["DATABASE_URL"]) as conn:
            conn.execute(_ACCEPT, (batch_id, len(items)))
        write.delay(batch_id, items)
        return {"batchId": batch_id}, 202

    return app
