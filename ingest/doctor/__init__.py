"""The check-up of an installation: `sluice doctor` joins all parts, and the console shows those of the servers.

machine database broker    each yields lines
processes encrypted wall   lines of the database's
misspelled                 variables that look like settings and are none
line                       a line: its level, the finding, the advice

Facts about the database come from `ingest.db.doctor`; how much of anything is too much is judged here.
"""
