"""Many rows at once, for tables of any kind.

    copy_insert repeats     COPY if all keys are new; items of one block that write the same row
    copy_rows upsert        COPY; an upsert that reports effects
    binary pages            values in Postgres' binary format; ranges of a table's pages

Upper imports lower, and `connection`. Callers name the tables.
"""
