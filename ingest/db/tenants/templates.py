"""Store and read versions of templates; the newest version of a slug checks new writes."""

from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ingest.db.connection.pool import Connection
from ingest.db.tenants import tenants
from ingest.errors import LimitReached
from ingest.items.templates import Template, exact_json

_COLUMNS = "id, slug, name, version, schema::text, created_at"

_GET = f"SELECT {_COLUMNS} FROM templates WHERE id = %s"

# Template versions are small, and few are in use at a time.
_MOST_KEPT = 1_000


class TemplateCache:
    """Caches template versions: a version never changes, so a process reads each of them once."""

    def __init__(self) -> None:
        self._kept: dict[int, Template] = {}

    def kept(self, template_id: int) -> Template | None:
        """Return the template version of that internal id; None where it is not in the cache."""
        return self._kept.get(template_id)

    def get(self, conn: Connection, template_id: int) -> Template:
        """Return the template version of that internal id, which is known to exist."""
        if template_id not in self._kept:
            with conn.cursor(row_factory=dict_row) as cursor:
                template = Template.from_row(cursor.execute(_GET, (template_id,)).fetchall()[0])
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[template_id] = template
        return self._kept[template_id]


_VISIBLE = f"""
SELECT DISTINCT ON (slug) {_COLUMNS} FROM templates
WHERE (tenant_id = %s OR tenant_id IS NULL) AND NOT trial ORDER BY slug, id DESC
"""


def visible(conn: Connection, tenant_id: int) -> list[Template]:
    """Return the newest version of every template that a tenant can choose, by slug: built-in ones and its own."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return [Template.from_row(row) for row in cursor.execute(_VISIBLE, (tenant_id,))]


_IS_BUILT_IN = "SELECT EXISTS (SELECT FROM templates WHERE slug = %s AND tenant_id IS NULL)"


def is_built_in(conn: Connection, slug: str) -> bool:
    """True if a built-in template, which every tenant sees, has this slug."""
    row = conn.execute(_IS_BUILT_IN, (slug,)).fetchone()
    return row is not None and bool(row[0])


# Templates a tenant. Versions are not limited: the sweeper purges those that no tenant and no job names.
MOST = 50
_OTHERS = """
SELECT count(DISTINCT slug) FROM templates WHERE tenant_id = %(tenant_id)s AND slug <> %(slug)s AND NOT trial
"""
_STORE = f"""
INSERT INTO templates (tenant_id, slug, name, version, schema)
VALUES (%(tenant_id)s, %(slug)s, %(name)s, %(version)s, %(schema)s)
RETURNING {_COLUMNS}
"""
# A tenant that has chosen the template moves to its new version.
_MOVE_TENANT = """
UPDATE tenants SET template_id = %(id)s
FROM templates chosen
WHERE tenants.id = %(tenant_id)s AND chosen.id = ANY (ARRAY[tenants.template_id]) AND chosen.slug = %(slug)s
"""


def store(conn: Connection, tenant_id: int, slug: str, *, name: str, version: str, schema: dict[str, Any]) -> Template:
    """Store a new version of a tenant's own template; it checks new writes if the tenant has chosen that template.

    Args:
        conn: an open transaction.
        tenant_id: whose it is.
        slug: `tpl_` and lower-case letters, digits, `_` or `-`; no built-in one's.
        name: for people.
        version: for people.
        schema: checked before, of the contract's shape (section 2).

    Raises:
        LimitReached: the tenant has as many other templates as it may have.
    """
    tenants.lock(conn, tenant_id)
    others = conn.execute(_OTHERS, {"tenant_id": tenant_id, "slug": slug}).fetchall()[0][0]
    if others >= MOST:  # type: ignore[operator] # a bigint
        raise LimitReached(
            f"This tenant has {others} templates of its own, the most that it may have; store this one under the id of "
            "one that is not needed any more"
        )
    values = {
        "tenant_id": tenant_id,
        "slug": slug,
        "name": name,
        "version": version,
        "schema": Jsonb(schema, exact_json),
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        template = Template.from_row(cursor.execute(_STORE, values).fetchall()[0])
    conn.execute(_MOVE_TENANT, {"id": template.id, "tenant_id": tenant_id, "slug": slug})
    return template


_STORE_TRIAL = """
INSERT INTO templates (tenant_id, slug, name, version, schema, trial)
SELECT %(tenant_id)s, slug, name, version, coalesce(%(schema)s, schema), true FROM templates WHERE id = %(of)s
RETURNING id
"""


def store_trial(conn: Connection, tenant_id: int, template_id: int, schema: dict[str, Any] | None) -> int:
    """Store a version of a template to judge stored rows by, which nothing shows or chooses; return its internal id.

    Args:
        conn: an open transaction.
        tenant_id: whose rows they are.
        template_id: of a version that is stored.
        schema: as of `store`; None: that of this version.
    """
    values = {
        "tenant_id": tenant_id,
        "of": template_id,
        "schema": None if schema is None else Jsonb(schema, exact_json),
    }
    return conn.execute(_STORE_TRIAL, values).fetchall()[0][0]  # type: ignore[return-value] # an integer
