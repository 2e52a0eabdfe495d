"""Everything on one machine: servers and programs, and the directory that they share.

    running                the stack, as context managers
    localkey               the key that is kept in its directory
    servers procfile       embedded Postgres and Valkey, and the programs
    supervisor lines       keep programs running, and show their lines
    datadir                the directory that they share
    child run_as signals   processes that end with their parent, run as nobody, and stop in order

Upper imports lower.
"""
