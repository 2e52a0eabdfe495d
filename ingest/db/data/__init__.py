"""Entities, events and states: one file a noun.

    events states             written for entities that exist; event_links: which entities take part
    first_events              the events that have an id of their sender's
    linked_objects            create or merge the objects that events name
    entities                  upsert entities, by entity_statements
    entity_repeats growth     merges into one row: in turn, and how large they may make it
    entity_lookup             internal and public ids by external ids; scopes: one of these in all scopes
    entity_rows event_rows    read back
    stored                    rows page by page, to be judged again
    pii resealing             personal data in SQL; sealed anew under another master key
    erasure retention         deletion: of an entity, and by age

Upper imports lower, `tenants`, `bulk` and `connection`; knows no job.
"""
