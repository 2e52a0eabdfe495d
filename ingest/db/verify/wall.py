"""Invariant of the wall between tenants: row-level security guards each table by the policies of Sluice alone."""

from ingest.db.connection.walls import READABLE, WALLED
from ingest.db.verify.check import Check

# A policy in a line: its name, command, rows, and roles. Policies for other roles are those of whoever made them.
_FOUND = """
SELECT concat_ws(' ', polname, polcmd,
                 CASE WHEN qual = 'true' THEN 'all' WHEN position('sluice.tenant' IN qual) > 0 THEN 'transaction'
                      WHEN position('tenant_of_reader()' IN qual) > 0 THEN 'login' ELSE 'other' END,
                 array_to_string(ARRAY(SELECT pg_get_userbyid(role) FROM unnest(polroles) role ORDER BY 1), ','))
FROM pg_policy, pg_get_expr(polqual, polrelid) AS qual
WHERE polrelid = c.oid
  AND (polname IN ('all_rows', 'own_rows', 'read_rows')
       OR polroles && ARRAY[0, to_regrole('sluice_app')::oid, to_regrole('sluice_reader')::oid])
ORDER BY 1
"""
_WANTED = """
array_remove(ARRAY[
    'all_rows * all ' || CASE WHEN to_regrole('sluice_app') IS NULL OR to_regrole('sluice_system') IS NULL THEN owner
                              WHEN owner < 'sluice_system' THEN owner || ',sluice_system'
                              ELSE 'sluice_system,' || owner END,
    CASE WHEN to_regrole('sluice_app') IS NOT NULL AND to_regrole('sluice_system') IS NOT NULL
         THEN 'own_rows * transaction sluice_app' END,
    CASE WHEN readable AND to_regrole('sluice_reader') IS NOT NULL THEN 'read_rows r login sluice_reader' END], NULL)
"""

WALL = Check(
    name="wall",
    invariant="Row-level security guards each table that has a tenant, and nothing passes it but what Sluice lets pass",
    wrong="tables that the wall between tenants does not guard as it should",
    advice="Run `sluice migrate`, which builds what is missing. If it is still so, a policy was changed or made by "
    "hand: DROP POLICY, and run it again",
    prefix=None,
    query=f"""
SELECT NULL::uuid, concat(t.name, ': row security ', CASE WHEN NOT c.relrowsecurity THEN 'off'
                          WHEN NOT c.relforcerowsecurity THEN 'not forced' ELSE 'forced' END,
                          '; policies ', array_to_string(found, '; '))
FROM unnest('{{{",".join(WALLED)}}}'::text[]) AS t (name) JOIN pg_class c ON c.oid = to_regclass(t.name),
     pg_get_userbyid(c.relowner) AS owner,
     LATERAL (SELECT ARRAY({_FOUND}) AS found, t.name = ANY ('{{{",".join(READABLE)}}}') AS readable) AS of_table
WHERE NOT (c.relrowsecurity AND c.relforcerowsecurity) OR found IS DISTINCT FROM {_WANTED}
""",
)

CHECKS = (WALL,)
