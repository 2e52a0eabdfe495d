"""Entities, events and states: one file a noun.

    events states             written for entities that exist
    scopes                    one external id in all scopes of a tenant
    entities                  upsert, read, erase
    entity_repeats growth     merges into one row: in turn, and how large they may make it
    erasure retention         deletion: of an entity, and by age

Upper imports lower, `tenants`, `bulk` and `connection`; knows no job.
"""
