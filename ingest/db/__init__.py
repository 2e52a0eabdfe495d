"""All SQL, and the only psycopg. One file a noun; every function takes `conn` first and never commits.

`pool` opens connections, `errors` translates driver errors, `migrate` brings the schema up to date,
`prepared` goes past the driver.
"""
