"""Tenants, their keys, templates and readers, and the idempotency keys of their requests.

Beside these: `mappings` of files that people saved, `sessions` of the console, and the `audit` log.

`key_changes` imports `keys`, `keys` and `templates` import `tenants`; all import `connection`.
"""
