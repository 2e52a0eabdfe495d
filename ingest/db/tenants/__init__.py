"""Tenants, their keys, templates and readers, and the idempotency keys of their requests.

`key_changes` imports `keys`, `keys` and `templates` import `tenants`; all import `connection`.
"""
