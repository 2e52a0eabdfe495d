"""The server's answers as Python values, one class a shape of its OpenAPI documents.

Members that a newer server adds are ignored, and those that an older one leaves out have their defaults. Times are
aware datetimes; free JSON (`data`, `value`) has its numbers exact, as the client's `numbers` says.

shapes        the two spellings of shapes
outcomes      the outcomes of the items of a job: errors, warnings, results
jobs          jobs, and the counts of their items
uploads       uploads in parts
items         entities, events and states: as a call wrote one, and as they are stored
tenant        the tenant's own: templates, settings, keys, and the log of their changes
webhooks      webhooks, and the messages to them
capabilities  the limits and forms of an installation, and its workers
public        the answers of the public API
"""

from sluice_client.models.capabilities import (
    Capabilities,
    Format,
    Parameter,
    Preferences,
    UploadForms,
    WebhookForms,
    Workers,
)
from sluice_client.models.items import StoredEntity, StoredEvent, StoredState, WrittenEntity, WrittenEvent
from sluice_client.models.jobs import Effects, Family, Fault, JobInfo, Output, SeenJob, TimelineEntry
from sluice_client.models.outcomes import ErrorGroup, ItemError, ItemResult, ItemWarning, JobItem, Warnings
from sluice_client.models.public import (
    KeyHealth,
    ObjectRow,
    RecordedEvent,
    RecordedEvents,
    StoredObject,
    UpsertedObject,
    UpsertedObjects,
)
from sluice_client.models.tenant import Actor, AuditEntry, Changed, ChosenTemplate, Key, NewKey, Settings, Template
from sluice_client.models.uploads import CreatedUpload, Upload, UploadedPart
from sluice_client.models.webhooks import Attempt, Delivery, NewWebhook, Webhook

__all__ = [
    "Actor",
    "Attempt",
    "AuditEntry",
    "Capabilities",
    "Changed",
    "ChosenTemplate",
    "CreatedUpload",
    "Delivery",
    "Effects",
    "ErrorGroup",
    "Family",
    "Fault",
    "Format",
    "ItemError",
    "ItemResult",
    "ItemWarning",
    "JobInfo",
    "JobItem",
    "Key",
    "KeyHealth",
    "NewKey",
    "NewWebhook",
    "ObjectRow",
    "Output",
    "Parameter",
    "Preferences",
    "RecordedEvent",
    "RecordedEvents",
    "SeenJob",
    "Settings",
    "StoredEntity",
    "StoredEvent",
    "StoredObject",
    "StoredState",
    "Template",
    "TimelineEntry",
    "Upload",
    "UploadForms",
    "UploadedPart",
    "UpsertedObject",
    "UpsertedObjects",
    "Warnings",
    "Webhook",
    "WebhookForms",
    "Workers",
    "WrittenEntity",
    "WrittenEvent",
]
