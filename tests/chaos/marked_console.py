"""A visitor of the console who sends marked personal data by every form that takes some."""

import json
import re
from contextlib import closing
from html import unescape

import httpx2

from tests.chaos.deployment import NO_CERTIFICATES, Deployment

_PAGES = ("/jobs", "/templates", "/keys", "/load", "/entities?id=player_000002")


class Visitor:
    """Someone at the console, logged in by a tenant's key.

    Attributes:
        told: all pages and answers that may show no personal data in the clear.
    """

    def __init__(self, deployment: Deployment, tenant: int, mark: str) -> None:
        self.told: list[str] = []
        self._mark = mark
        self._key = deployment.customers[tenant].operator_key
        self._client = httpx2.Client(
            base_url=f"{deployment.api}/console",
            headers={"Sec-Fetch-Site": "same-origin"},
            timeout=60,
            verify=NO_CERTIFICATES,
        )

    def visit(self, failed_job: str, other_job: str) -> None:
        """Mend items of two jobs that failed, load a file, look at an entity, and open the pages.

        Args:
            failed_job: the id of a job whose items 2 and 3 failed; their edits are kept.
            other_job: likewise; these items are sent again.
        """
        with closing(self._client):
            self._post("/login", 303, key=self._key)
            self._mend(failed_job, other_job)
            self._load()
            fields = {"id": "player_000002", "field": "email"}
            assert self._mark in self._client.post("/entities/reveal", data=fields).text
            for path in (*_PAGES, f"/jobs/{failed_job}", f"/jobs/{failed_job}/errors", f"/jobs/{other_job}"):
                self._get(path)

    def _mend(self, failed_job: str, other_job: str) -> None:
        email = f"edited-{self._mark}"
        for job in (failed_job, other_job):
            path = f"/jobs/{job}/errors"
            self._post(path, 303, **{"c.2./data/email": email, "v.2": "0"})
            self._post(path, 303, **{"c.3./data/email": email, "v.3": "0"})
            self._get(f"{path}/marks")
        path = f"/jobs/{failed_job}/errors"
        replaced = {"do": '["replace"]', "path": "/data/email", "old": "edited", "new": f"new-{self._mark}"}
        self._post(path, 303, **replaced, confirmed="1")
        self._post(path, 303, do='["check"]')
        shown = self._client.post(path, data={"do": '["reveal",2,"/data/email"]'})
        assert self._mark in shown.text
        self._post(f"/jobs/{other_job}/errors", 303, do='["send"]', confirmed="1")

    def _load(self) -> None:
        rows = [f"p{number},{self._mark}@example.com,{self._mark}" for number in range(3)]
        content = "\n".join(["externalId,email,phone", *rows]).encode()
        looked = self._client.post("/load/look", files={"file": ("people.csv", content)})
        said = _said(looked.text) | {"save_as": "people", "type": "player"}
        self._post("/load/check", 303, content, **said)

    def _get(self, path: str) -> None:
        answer = self._client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        self.told.append(answer.text)

    def _post(self, path: str, status: int, content: bytes | None = None, /, **form: str) -> None:
        file = None if content is None else {"file": ("people.csv", content)}
        answer = self._client.post(path, data=form, files=file)
        assert answer.status_code == status, (path, answer.status_code, answer.text[-2_000:])
        self.told.append(f"{json.dumps(dict(answer.headers))} {answer.text}")


def _said(page: str) -> dict[str, str]:
    """Return the fields of a page's form, as a browser would send them."""
    said = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
    for name, options in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        values = re.findall(r'<option value="([^"]*)"( selected)?>', options)
        said[name] = next((value for value, chosen in values if chosen), values[0][0])
    return {name: unescape(value) for name, value in said.items()}
