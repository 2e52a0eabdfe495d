"""Check items: what each kind of them is, and which are good.

    derivation                                        derives msgspec types from the schemas
    fastpath                                          checks good items by these types: 20 times faster
    personal                                          personal data of entities, sealed
    object_events                                     links, each of which is an object
    objects                                           an entity whose data is merged
    entities events states                            one file a kind
    public_fields                                     fields and schema of the public API
    json_schema examples                              a kind under a template: its JSON Schema, and items to start from
    schema                                            the check of an item, of any kind
    rules unknown_members pointers                    rules of a type; members that should not be there; places in items
    fields templates addresses                        fields; what a tenant may send; names that no URL can hold

Upper imports lower. Nothing here reads a body, the database or Redis, so a test of an item needs no server.
"""
