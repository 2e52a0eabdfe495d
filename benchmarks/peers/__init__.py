"""Alternatives to Sluice, each a small honest program, on the same servers and with the same durability.

bare        a Flask endpoint that does nothing: the most that gunicorn and Flask can accept
trivial     a Celery task that does nothing: the most that Celery can run
naive       the usual Flask and Celery worker: marshmallow, and one INSERT … ON CONFLICT an item
loading     dlt, from dicts and from Arrow tables
processes   how their processes are run
"""
