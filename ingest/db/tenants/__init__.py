"""Tenants, their keys and templates. `keys` and `templates` import `tenants`; all import `connection`."""
