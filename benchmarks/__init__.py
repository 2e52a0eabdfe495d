"""How fast Sluice is, beside its own limits and beside what its users would use otherwise: `make bench`.

measure report machine plots   what a measurement is, and how it is shown
place database stored clients  where it runs: one Postgres for all, databases and stacks on it, clients over HTTP
items copying                  what is written, and raw COPY of the same rows
rows/                          the table: a file a noun, each with its rows
growth/                        how cost grows, each a plot
peers/                         what users would use otherwise, each a small honest program
public_face year_of_flights    programs of their own
"""
