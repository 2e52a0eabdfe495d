"""Tenants, their keys and templates, and the idempotency keys of their requests.

`keys` and `templates` import `tenants`; all import `connection`.
"""
