from ingest.db.connection.pool import Connection
from ingest.db.tenants.templates import TemplateCache
from ingest.db.tenants.tenants import Tenant
from ingest.engine.kinds import KINDS, schema_of


def test_the_table_of_kinds_is_the_contracts() -> None:
    assert {name: (kind.job_type, kind.limit) for name, kind in KINDS.items()} == {
        "entities": ("batch_ingest_entities", 1_000),
        "events": ("batch_ingest_events", 5_000),
        "states": ("batch_ingest_states", 1_000),
        "objects": ("batch_ingest_objects", 100),
        "object_events": ("batch_ingest_object_events", 100),
    }


def test_a_schema_is_built_once_a_version(conn: Connection, tenant: Tenant) -> None:
    assert tenant.template_id is not None
    template_cache = TemplateCache()
    template = template_cache.get(conn, tenant.template_id)
    assert schema_of(KINDS["events"], template) is schema_of(
        KINDS["events"], template_cache.get(conn, tenant.template_id)
    )
    assert schema_of(KINDS["events"], template) is not schema_of(KINDS["states"], template)
