"""Measure Sluice beside its own limits and beside what its users would use otherwise: `make bench`.

measure report machine plots   what a measurement is, and how it is shown
place database deployment      where it runs: one Postgres for all, databases on it, the whole product on one of those
items stored copying clients   what is written: as jobs, by raw COPY of the same rows, and over HTTP
rows/                          the table: a file a noun, each with its rows
peers/                         what users would use otherwise, each a small honest program
public_api year_of_flights    programs of their own
"""
