"""Made by make_sync.py of _async/tenant.py: change that file, then `make client`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from sluice_client._sync.job import Job
from sluice_client._sync.jobs import job_of
from sluice_client._sync.transport import Transport
from sluice_client.models import AuditEntry, Delivery, Key, NewKey, NewWebhook, SeenJob, Settings, Template, Webhook
from sluice_client.options import camel, prefer
from sluice_client.values import exact_json

Kind = Literal["entities", "events", "states"]


def _form(members: Mapping[str, Any]) -> bytes:
    """Return the JSON of the members that a caller has named."""
    return exact_json({camel(name): value for name, value in members.items()})


class Templates:
    """The templates that the tenant can choose."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[Template]:
        """Yield the newest version of each."""
        for template in self._transport.call("listTemplates", list[Template]):
            yield template

    def store(self, template_id: str, name: str, schema: Mapping[str, Any], *, version: str = "1.0") -> Template:
        """Store a new version of a template of the tenant's own.

        Args:
            template_id: `tpl_` and a name.
            name: for people.
            schema: as docs/contracts/templates.md says.
            version: for people, too.

        Raises:
            Invalid: the schema is none, or the id may be none of the tenant's own.
            Conflict: the tenant has as many templates as it may have, or this one has personal data and the
                installation no master key.
        """
        body = exact_json({"name": name, "version": version, "schema": schema})
        return self._transport.call("storeTemplate", Template, template_id, body=body)

    def check(self, template_id: str, schema: Mapping[str, Any] | None = None, *, wait: int | None = None) -> Job:
        """Try a schema on all rows that are stored, and change nothing: the job's errors are rows that would fail.

        Args:
            template_id: of the template whose newest version is tried.
            schema: tried in its place; None for the template's own.
            wait: seconds to wait for the end of the job, at most 30.

        Raises:
            NotFound: there is no such template.
            Invalid: the schema is none.
            Conflict: as many checks are under way as may be.
            ValueError: `wait` is none that it may be.
        """
        body = exact_json({} if schema is None else {"schema": schema})
        headers = prefer({}, wait)
        seen = self._transport.call("checkTemplate", SeenJob, template_id, body=body, headers=headers)
        return job_of(self._transport, seen)

    def json_schema(self, template_id: str, kind: Kind = "entities") -> dict[str, Any]:
        """Return the JSON Schema of an item.

        Args:
            template_id: of the template.
            kind: of the item.

        Raises:
            NotFound: there is no such template.
        """
        query = {"kind": kind}
        return self._transport.call("getTemplateJsonSchema", dict[str, Any], template_id, query=query, bare=True)

    def example(self, template_id: str, kind: Kind = "entities", form: Literal["csv", "ndjson"] = "ndjson") -> str:
        """Return a file to start from.

        Args:
            template_id: of the template.
            kind: of its items.
            form: of the file.

        Raises:
            NotFound: there is no such template.
        """
        operation = "getTemplateExampleCsv" if form == "csv" else "getTemplateExampleLines"
        response = self._transport.send(operation, template_id, query={"kind": kind})
        return response.content.decode()


class TenantSettings:
    """The settings of the tenant."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self) -> Settings:
        """Return all settings."""
        return self._transport.call("getSettings", Settings)

    def change(self, **changes: Any) -> Settings:
        """Change settings, all that are named or none.

        Args:
            changes: of `template_id`, `data_retention_days`, `retention_policy` and `batch_wait_seconds`.

        Raises:
            Invalid: a value, or a name, is none that the setting takes.
            NotFound: there is no such template.
            Conflict: the template has personal data, and the installation no master key.
        """
        return self._transport.call("changeSettings", Settings, body=_form(changes))


class Keys:
    """The API keys of the tenant."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, label: str, **rights: Any) -> NewKey:
        """Make a key, whose text is shown this once.

        Args:
            label: its name for people.
            rights: `scopes`, `expires_at`, `addresses`, `requests_per_minute`, `operator_id`; those that are left out
                are as of the calling key.

        Raises:
            Forbidden: the calling key has not all of these rights itself.
            Invalid: a value is none that the right takes.
            NotFound: `operator_id` is not that of the tenant.
            Conflict: the tenant has as many keys as it may have.
        """
        return self._transport.call("createKey", NewKey, body=_form({"label": label, **rights}))

    def list(self) -> Iterator[Key]:
        """Yield all keys, revoked ones included."""
        for key in self._transport.call("listKeys", list[Key]):
            yield key

    def change(self, key_id: str, **changes: Any) -> Key:
        """Change a key.

        Args:
            key_id: of the key; not its text.
            changes: its `label`, or rights as `create` takes them, without `operator_id`.

        Raises:
            NotFound: there is no such key.
            Forbidden: the calling key has not all of these rights itself.
            Invalid: a value, or a name, is none that a key takes.
            Conflict: it is the last active one with the scope `admin`, and would lose that.
        """
        return self._transport.call("changeKey", Key, body=_form({"id": key_id, **changes}))

    def revoke(self, key_id: str) -> Key:
        """Revoke a key.

        Args:
            key_id: of the key; not its text.

        Raises:
            NotFound: there is no such key.
            Conflict: it is the last active one, or the last with the scope `admin`.
        """
        return self._transport.call("revokeKey", Key, query={"id": key_id})


class Webhooks:
    """The webhooks of the tenant, which are told of the ends of its jobs."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, url: str, *, events: Sequence[str] | None = None, description: str | None = None) -> NewWebhook:
        """Make a webhook, whose secret is shown this once.

        Args:
            url: https, at a public address.
            events: such as `job.completed`; None for all.
            description: for people.

        Raises:
            Invalid: the address is none that may be told.
            Conflict: the tenant has as many webhooks as it may have, or the installation has no master key.
        """
        told = {"url": url, "events": events, "description": description}
        body = _form({name: value for name, value in told.items() if value is not None})
        return self._transport.call("createWebhook", NewWebhook, body=body)

    def list(self) -> Iterator[Webhook]:
        """Yield all webhooks, without the callbacks of single jobs."""
        for webhook in self._transport.call("listWebhooks", list[Webhook]):
            yield webhook

    def get(self, webhook_id: str) -> Webhook:
        """Return a webhook, or the callback of a job.

        Raises:
            NotFound: there is no such webhook.
        """
        return self._transport.call("getWebhook", Webhook, webhook_id)

    def change(self, webhook_id: str, **changes: Any) -> Webhook:
        """Change a webhook.

        Args:
            webhook_id: of the webhook.
            changes: of `url`, `events`, `description` and `enabled`.

        Raises:
            NotFound: there is no such webhook.
            Invalid: a value, or a name, is none that a webhook takes.
        """
        return self._transport.call("changeWebhook", Webhook, webhook_id, body=_form(changes))

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook with its deliveries.

        Raises:
            NotFound: there is no such webhook.
        """
        self._transport.send("deleteWebhook", webhook_id)

    def rotate(self, webhook_id: str) -> NewWebhook:
        """Give a webhook another secret, which is shown this once; the former one signs too for 24 hours.

        Raises:
            NotFound: there is no such webhook.
            Conflict: the installation has no master key.
        """
        return self._transport.call("rotateWebhook", NewWebhook, webhook_id)

    def test(self, webhook_id: str) -> Delivery:
        """Send a message that is about no job, once.

        Raises:
            NotFound: there is no such webhook.
            Conflict: it is disabled.
        """
        return self._transport.call("testWebhook", Delivery, webhook_id)

    def deliveries(self, webhook_id: str) -> Iterator[Delivery]:
        """Yield the messages to a webhook, the newest first.

        Raises:
            NotFound: there is no such webhook.
        """
        for delivery in self._transport.pages("listDeliveries", Delivery, webhook_id, query={"limit": 200}):
            yield delivery

    def replay(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Send a message again, under the same `webhook-id`.

        Args:
            webhook_id: of the webhook.
            delivery_id: of the message, as in `Delivery.id`.

        Raises:
            NotFound: there is no such webhook, or no such message to it.
            Conflict: the webhook is disabled, or the message was sent as often as it may be.
        """
        return self._transport.call("replayDelivery", Delivery, webhook_id, delivery_id)


class Audit:
    """The log of changes of what is the tenant's."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        action: str | None = None,
        object: str | None = None,  # noqa: A002 # the server's name for it
        object_id: str | None = None,
        since: datetime | None = None,
        limit: int = 200,
    ) -> Iterator[AuditEntry]:
        """Yield changes, the newest first.

        Args:
            action: such as `key.created`.
            object: the kind of what was changed, such as `key`.
            object_id: its id.
            since: changes of this moment and later.
            limit: how many to read at a time, at most 200; not how many there are.

        Raises:
            Invalid: an argument is none that it may be.
        """
        query = {"action": action, "object": object, "object_id": object_id, "since": since, "limit": limit}
        for entry in self._transport.pages("listAuditLog", AuditEntry, query=query):
            yield entry
