"""Turns: the tenants take turns block by block, and one of weight w has w blocks (docs/contracts/jobs.md section 7).

Each worker process counts its own turns. Nearly all tenants have weight 1, so the few others are all that it remembers.
"""

import time
from dataclasses import dataclass, field

from ingest.db.connection.pool import Connection
from ingest.db.tenants import tenants

# A tenant's new weight counts after so long at the latest.
_REFRESH_SECONDS = 10.0


@dataclass(slots=True)
class Weights:
    """The weights of the tenants, as the database had them a while ago."""

    _others: dict[int, int] = field(default_factory=dict)
    _due: float = 0.0

    def refresh(self, conn: Connection) -> None:
        """Read the weights again, if they are older than _REFRESH_SECONDS."""
        if time.monotonic() >= self._due:
            self._others = tenants.weights(conn)
            self._due = time.monotonic() + _REFRESH_SECONDS

    def of(self, tenant_id: int) -> int:
        """Return the weight of a tenant."""
        return self._others.get(tenant_id, 1)


@dataclass(slots=True)
class Turn:
    """The turn of the tenant whose job a process ran last.

    Attributes:
        tenant_id: whose.
        kind: of the job.
        weight: how many blocks the tenant has a turn.
        blocks: how many it has had; a group of small jobs, which share a transaction, counts as one.
    """

    tenant_id: int = 0
    kind: str = ""
    weight: int = 1
    blocks: int = 0

    def take(self, tenant_id: int, kind: str, weight: int) -> None:
        """Note that a job of a tenant was claimed: a turn begins, unless the tenant has blocks left of its own."""
        if tenant_id != self.tenant_id or self.is_over:
            self.blocks = 0
        self.tenant_id, self.kind, self.weight = tenant_id, kind, weight

    def count(self) -> None:
        """Count a block that is about to be run."""
        self.blocks += 1

    @property
    def is_over(self) -> bool:
        """True if the next block is another tenant's, if one waits."""
        return self.blocks >= self.weight

    @property
    def last_tenant(self) -> int:
        """The tenant behind whom the next claim begins, in the order of their ids: a turn that is not over goes on."""
        return self.tenant_id if self.is_over else self.tenant_id - 1
