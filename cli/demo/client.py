"""A client of the operator API: posts a batch, polls its job, and reads the errors of bad items."""

from collections.abc import Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2
import msgspec

from ingest.errors import SluiceError

BASE_PATH = "/operator-data-api"

_MOST_ERRORS_A_PAGE = 500

_Shape = TypeVar("_Shape")


class DemoFailed(SluiceError):
    """The demonstration did not go as it must; the message says what happened, for a person."""


class ItemError(msgspec.Struct, frozen=True, rename="camel"):
    """The reason why one item of a batch was refused; `index` is 0-based in the batch."""

    index: int
    external_id: str | None
    code: str
    message: str


class JobError(msgspec.Struct, frozen=True):
    """The reason why a whole job could not run."""

    code: str
    message: str


class Job(msgspec.Struct, frozen=True):
    """The fields used here of a job as `GET /batch/jobs/{id}` shows it (docs/contracts/operator.md section 5)."""

    id: str
    status: str
    progress: int
    total: int
    processed: int
    effects: dict[str, int]
    error: JobError | None
    created_at: datetime
    completed_at: datetime | None

    @property
    def ended(self) -> bool:
        """True if the job has ended."""
        return self.completed_at is not None

    @property
    def seconds(self) -> float:
        """From accepted to ended."""
        return ((self.completed_at or self.created_at) - self.created_at).total_seconds()


class Client:
    """One tenant's calls to the operator API, over HTTP like anybody's.

    Args:
        address: of the API, as in `http://127.0.0.1:8000`.
        key: an operator key.
    """

    def __init__(self, address: str, key: str) -> None:
        # trust_env: a proxy that the environment names for the outside world has no business on the loopback.
        self._http = httpx2.Client(
            base_url=address + BASE_PATH, headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def put(self, path: str, body: Any) -> None:
        """`PUT` a JSON body.

        Raises:
            DemoFailed: the answer is not 2xx, or none came.
        """
        self._send("PUT", path, body)

    def post_batch(self, kind: str, items: list[dict[str, Any]]) -> str:
        """Hand a batch over.

        Returns:
            The job's id.

        Raises:
            DemoFailed: it was not accepted.
        """
        answer = msgspec.json.decode(self._send("POST", f"/batch/{kind}", items).content)
        return str(answer["data"]["jobId"])

    def job(self, job_id: str) -> Job:
        """Return how far a job is.

        Raises:
            DemoFailed: the answer is not 2xx, or none came.
        """
        return _data(self._send("GET", f"/batch/jobs/{job_id}"), Job)

    def errors(self, job_id: str) -> Iterator[ItemError]:
        """Yield every refused item of a job, in index order, page by page.

        Raises:
            DemoFailed: the answer is not 2xx, or none came.
        """
        page: str | None = f"/batch/jobs/{job_id}/errors?limit={_MOST_ERRORS_A_PAGE}"
        while page is not None:
            answer = self._send("GET", page)
            yield from _data(answer, list[ItemError])
            following = answer.links.get("next")
            page = None if following is None else str(answer.url.join(following["url"]))

    def read(self, path: str) -> str:
        """Return the answer to a `GET`, indented, each number as the server wrote it.

        Raises:
            DemoFailed: the answer is not 2xx, or none came.
        """
        return msgspec.json.format(self._send("GET", path).content, indent=2).decode()

    def _send(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            answer = self._http.request(method, path, content=content, headers=headers)
        except httpx2.TransportError as error:
            raise DemoFailed(f"{method} {path}: no answer ({error})") from error
        if not answer.is_success:
            raise DemoFailed(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        return answer


def _data(answer: httpx2.Response, shape: type[_Shape]) -> _Shape:
    """Return the `data` of a reply; what `shape` does not name is passed over."""
    return msgspec.convert(msgspec.json.decode(answer.content)["data"], shape)
