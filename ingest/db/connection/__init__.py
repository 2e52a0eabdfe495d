"""Connections to Postgres, and their errors.

    unreachable confirmed   the reason why there is no connection; a transaction with a known outcome
    migrate                 bring the schema up to date
    walls                   which rows and columns the roles see
    roles                   the roles of the database
    pool                    open connections, alone or in a pool
    prepared plans          statements past the driver; the choice of plans
    errors session          errors of the driver in our words; the settings of a session
    entry                   whose a transaction is

Upper imports lower. Tables are named by `migrate` and `walls` alone.
"""
