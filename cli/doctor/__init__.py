"""The parts of `sluice doctor`, which `cli.commands.doctor` joins.

machine database broker    each yields lines
wall                       one line of the database's
line                       a line: its level, the finding, the advice

Facts about the database come from `ingest.db.doctor`; how much of anything is too much is judged here.
"""
