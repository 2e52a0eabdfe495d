"""The calls of a file: the page, a look at the first bytes, and the check of all of it, which a job of its own does."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, Response, request

from app.batches import store
from app.console import access
from app.console.load.arriving import Arriving, form_with_file
from app.console.load.command import command_of
from app.console.load.cutting import store_of
from app.console.load.fields import KINDS_OF_FILES, fields_of, vocabulary_of
from app.console.load.guess import guess, likely_type
from app.console.load.looks import CSV, DELIMITERS, FORMS, SAMPLE_BYTES, Looks, look
from app.console.load.plan import CELLS, KEEP, LEAVE, Plan, plan_of, reading_of
from app.console.pages import confirmed, page, query, to
from app.console.whose import pick_unless_known
from app.http.auth import caller
from app.http.services import services
from app.operator import options
from ingest.db.connection.pool import transaction
from ingest.db.tenants import mappings
from ingest.db.tenants.mappings import Mapping as SavedMapping
from ingest.errors import InvalidInput, NotFound, TemplateNotConfigured
from ingest.ids import JOB, spell
from ingest.intake.mapped import DATE_FORMATS, ENCODINGS
from ingest.items.templates import Template
from ingest.jobs import LONGEST_LABEL
from ingest.rights import WRITE

bp = Blueprint("console_load", __name__)

_SAMPLES_SHOWN = 3
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class _Looked:
    """A file that was looked at: what it looks like, and what the form is to say of it."""

    looks: Looks
    plan: Plan
    file_name: str


@bp.get("/load")
@access.needs(WRITE)
@pick_unless_known
def show() -> Response:
    """Answer with the page on which a file is chosen."""
    return _page(None, {})


@bp.post("/load/look")
@access.needs(WRITE)
def look_at() -> Response:
    """Look at the first bytes of a file, and answer with the page that says which column fills what."""
    form = form_with_file()
    template, saved = _template(), _saved()
    sample = _sample(form)
    told = form.fields.get("looked") == form.file_name
    again = form.fields if told else {}
    looks = look(
        sample,
        form.file_name,
        form=again.get("form", ""),
        encoding=again.get("encoding", "") if again.get("encoding") in ENCODINGS else "",
        delimiter={"tab": "\t"}.get(again.get("delimiter", ""), again.get("delimiter", "")[:1]),
    )
    chosen = next((mapping for mapping in saved if mapping.name == form.fields.get("saved")), None)
    plan = _guessed(form, looks, template, chosen, told=told)
    return _page(_Looked(looks, plan, form.file_name), form.fields)


@bp.post("/load/check")
@access.needs(WRITE)
def check() -> Response:
    """Take a whole file in as a job that only validates; the job's page tells what it found, and sends these bytes."""
    form = form_with_file()
    template = _template()
    plan = plan_of(form.fields, template)
    reading = reading_of(plan, template) if plan.form == CSV else None
    spelled = {"validateOnly": "true", "mode": plan.mode}
    if label := form.file_name.replace("\0", "")[:LONGEST_LABEL]:
        spelled["label"] = label
    if plan.form == CSV:
        spelled["delimiter"] = plan.delimiter
        spelled["empty"] = "absent" if plan.null is None else "null"
        if plan.type_name:
            spelled[vocabulary_of(plan.kind, template).member] = plan.type_name
    said = options.parse(spelled, strict=False, csv=plan.form == CSV)
    stored = store_of(plan, reading, form.file)
    job_id = store(caller(), plan.kind, stored, said, awaited=False, template_id=template.id)
    services().notifier.notify(job_id)
    if name := form.fields.get("save_as", "").strip()[:_LONGEST_NAME]:
        with transaction(access.lent()) as conn:
            mappings.save(conn, caller().tenant_id, name, plan.saved())
    access.note("file_checked", job_id=spell(JOB, job_id))
    return to(f"/jobs/{spell(JOB, job_id)}")


@bp.post("/load/mappings/delete")
@access.needs(WRITE)
@pick_unless_known
def forget() -> Response:
    """Delete a saved mapping, once its visitor has said yes."""
    name, whose = request.form.get("name", ""), query(tenant=request.form.get("tenant"))
    if asked := confirmed(f'Delete the mapping "{name}"?', "Delete it", f"/load?{whose}"):
        return asked
    with transaction(access.lent()) as conn:
        mappings.delete(conn, caller().tenant_id, name)
    access.note("delete_mapping", name=name)
    return to(f"/load?{whose}&said=forgotten")


def _page(looked: _Looked | None, form: Mapping[str, str]) -> Response:
    template = _template()
    shown: dict[str, Any] = {}
    if looked is not None and looked.looks.form == CSV:
        shown = _mapping(looked, template)
    elif looked is not None:
        shown = {"command": command_of(looked.plan, None, looked.file_name)}
    return page(
        "load",
        looked=looked,
        form=form,
        saved=_saved(),
        kinds=KINDS_OF_FILES,
        forms=FORMS,
        delimiters=DELIMITERS,
        encodings=ENCODINGS,
        date_formats=DATE_FORMATS,
        **shown,
    )


def _mapping(looked: _Looked, template: Template) -> dict[str, Any]:
    plan, looks = looked.plan, looked.looks
    rows = looks.rows[:_SAMPLES_SHOWN]
    samples = [[row[place] or "(empty)" for row in rows] for place in range(len(looks.titles))]
    used = {*plan.columns.values()}
    problem, command = "", ""
    try:
        command = command_of(plan, reading_of(plan, template), looked.file_name)
    except InvalidInput as error:
        problem = error.message
    return {
        "types": list(vocabulary_of(plan.kind, template).names),
        "noun": vocabulary_of(plan.kind, template).noun,
        "fields": fields_of(plan.kind, template, plan.type_name),
        "samples": samples,
        "left": [place for place in range(len(looks.titles)) if place not in used],
        "command": command,
        "problem": problem,
        "cells": [name for name in CELLS if plan.date_format or not name.startswith("date")],
    }


def _guessed(form: Arriving, looks: Looks, template: Template, saved: SavedMapping | None, *, told: bool) -> Plan:
    """Return what the form is to say of a file: what it said, or what is guessed."""
    said = dict(form.fields)
    kept = dict(saved.mapping) if saved else {}
    if saved:
        said |= {"kind": kept.get("kind", ""), "type": kept.get("type", "")}
    elif "kind" not in said or not told:
        said["kind"] = _kind(looks)
        said["type"] = likely_type(vocabulary_of(said["kind"], template), looks.titles)
    said |= {
        "form": looks.form,
        "encoding": looks.encoding,
        "delimiter": "tab" if looks.delimiter == "\t" else looks.delimiter,
        "titles": "[]",
    }
    if not told:
        said |= _read_by(looks, kept)
    plan = plan_of(said, template)
    fields = fields_of(plan.kind, template, plan.type_name)
    known = {field.title for field in fields}
    columns = {title: place for title, place in plan.columns.items() if title in known and place < len(looks.titles)}
    left, names, types = (dict(told_of) if told else {} for told_of in (plan.left_over, plan.names, plan.types))
    if not told or not columns:
        columns = guess(fields, looks.titles, kept.get("columns"))
        fates = {**dict.fromkeys(kept.get("kept", ()), KEEP), **dict.fromkeys(kept.get("left", ()), LEAVE)}
        for of_places, of_titles in ((left, fates), (names, kept.get("names", {})), (types, kept.get("types", {}))):
            of_places |= {place: of_titles[title] for place, title in enumerate(looks.titles) if title in of_titles}
    return replace(
        plan,
        form=looks.form,
        encoding=looks.encoding,
        delimiter=looks.delimiter,
        titles=looks.titles,
        columns=columns,
        left_over={place: fate for place, fate in left.items() if place not in columns.values()},
        names=names,
        types=types,
    )


def _read_by(looks: Looks, kept: Mapping[str, Any]) -> dict[str, str]:
    """Return what the form is to say of the cells of a file: what a saved mapping says, or what they look like."""
    null = kept.get("null")
    return {
        "decimal": "comma" if kept.get("decimalComma", looks.decimal_comma) else "point",
        "dates": str(kept.get("dateFormat", looks.date_format)),
        "empty": "absent" if null is None else "null",
        "null": null or "",
        "mode": str(kept.get("mode", "replace")),
    }


def _kind(looks: Looks) -> str:
    """Return the kind of items that a file seems to hold."""
    text = " ".join([*looks.titles, *(cell for row in looks.rows[:1] for cell in row if looks.form != CSV)])
    return "states" if "stateKey" in text else "events" if "eventType" in text or "timestamp" in text else "entities"


def _sample(form: Arriving) -> bytes:
    """Return the first bytes of a file; a browser without our script sends all of it, which is passed over."""
    sample = bytearray()
    for piece in form.file:
        if len(sample) < SAMPLE_BYTES:
            sample += piece[: SAMPLE_BYTES - len(sample)]
    return bytes(sample)


def _template() -> Template:
    """Return the template by which the items of a file are read.

    Raises:
        NotFound: an operator has not said whose file it is.
        TemplateNotConfigured: the tenant has chosen none.
    """
    whose = access.tenant_or_none()
    if whose is None:
        raise NotFound("Say whose file it is: open the page of a tenant first, and Load from there")
    if whose.template_id is None:
        raise TemplateNotConfigured("The dataset has no template that could check items; choose one first")
    with transaction(access.lent()) as conn:
        return services().template_cache.get(conn, whose.template_id)


def _saved() -> list[SavedMapping]:
    with transaction(access.lent()) as conn:
        return mappings.of_tenant(conn, caller().tenant_id)
