"""metrics.md and states-and-effects.md: the lists of the code as tables."""

import inspect
import re
from enum import StrEnum

from ingest.jobs import Effect, JobState
from ingest.metrics.names import METRICS
from reference import markdown

_ATTRIBUTE = re.compile(r"^ {4}([A-Z]+): (.+?)(?=^ {4}[A-Z]+: |\Z)", re.MULTILINE | re.DOTALL)

_METRICS = """\
A process counts these where `SLUICE_METRICS=on`; [how to have Prometheus read
them](../how-to/monitor-with-prometheus.md), and what to make of them. The first process of a row counts most. No
label names a tenant, a job or a key, but for `sluice_tenant_items_open`."""

_STATES = """\
A job is in one of these states. Each move has its statement and its file in [how it
works](../explanation/how-it-works.md#the-states-of-a-job), and [errors](errors.md) has the codes of jobs that
failed."""

_EFFECTS = """\
A job counts each of its items under exactly one effect, so the counts sum to its `total`."""


def metrics() -> str:
    """Return the page of all metrics."""
    rows = [
        [
            f"`{metric.name}`",
            metric.type,
            ", ".join(f"`{label}`" for label in metric.labels),
            ", ".join(metric.processes),
            metric.text,
        ]
        for metric in METRICS
    ]
    return markdown.page("Metrics", _METRICS, markdown.table(["metric", "type", "labels", "counted by", "what"], rows))


def states_and_effects() -> str:
    """Return the page of a job's states, and of what becomes of an item."""
    return markdown.page(
        "States and effects",
        f"## States of a job\n\n{_STATES}",
        markdown.table(["state", "meaning"], _members(JobState)),
        f"## Effects of an item\n\n{_EFFECTS}",
        markdown.table(["effect", "meaning"], _members(Effect)),
    )


def _members(enum: type[StrEnum]) -> list[tuple[str, str]]:
    """Return each value of an enum with its sentences, which stand in the docstring.

    Raises:
        LookupError: a member has none.
    """
    _, _, attributes = inspect.cleandoc(enum.__doc__ or "").partition("Attributes:\n")
    texts = dict(_ATTRIBUTE.findall(attributes))
    if missing := set(enum.__members__) - set(texts):
        raise LookupError(f"the docstring of {enum.__name__} says nothing of {missing}")
    return [
        (f"`{member.value}`", texts[name][0].upper() + texts[name][1:]) for name, member in enum.__members__.items()
    ]
