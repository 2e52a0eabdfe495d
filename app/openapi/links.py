"""Links from an answer that makes something to the calls about it (OpenAPI 3.1, "Link Object").

Generators and testers of APIs follow them; clients follow the addresses in the answers.
"""

from collections.abc import Iterable
from typing import Any

from werkzeug.routing import Rule

from app.http.describe import Description
from app.openapi.apis import Api

# By the status and the shape of an answer: the arguments of paths that it names, each with its place in the answer.
_NAMED = {
    (202, "AcceptedBatch"): {"job_id": "/data/jobId"},
    (200, "EndedBatch"): {"job_id": "/data/jobId"},
    (202, "AcceptedObjectBatch"): {"job_id": "/data/jobId"},
    (202, "Job"): {"job_id": "/data/id"},
    (201, "CreatedUpload"): {"upload_id": "/data/uploadId"},
    (201, "NewWebhook"): {"webhook_id": "/data/id"},
    (201, "WrittenEntity"): {"external_id": "/data/externalId"},
    (200, "UpsertedObject"): {"object_type": "/object_type", "external_id": "/external_id"},
}

# A call as the documents show it: its route, its description and its API, if it belongs to one.
Call = tuple[Rule, Description, Api | None]


def add_links(operations: dict[str, Any], description: Description, api: Api | None, calls: Iterable[Call]) -> None:
    """Add links to the answers of a call.

    Args:
        operations: of its route, by their methods.
        description: the call's.
        api: the call's; links lead to no other.
        calls: all that there are.
    """
    for status, shape in description.answers.items():
        named = _NAMED.get((status, shape), {})
        parameters = {name: f"$response.body#{place}" for name, place in named.items()}
        links = {
            other.operation: {"operationId": other.operation, "parameters": parameters}
            for rule, other, of_api in calls
            if named and of_api is api and named.keys() <= rule.arguments
        }
        if links:
            for operation in operations.values():
                operation["responses"][str(status)]["links"] = links
