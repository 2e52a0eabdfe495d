import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import NotFound
from ingest.ids import ENTITY, EVENT, JOB, parse, parse_any, spell, uuid7

_SOME = UUID("0198c2a4-0000-7000-8000-0123456789ab")


def test_a_public_spelling_is_a_prefix_and_lower_case_hex() -> None:
    assert spell(JOB, _SOME) == "job_0198c2a4000070008000" + "0123456789ab"


@given(prefix=st.sampled_from([ENTITY, EVENT, JOB]), uuid=st.uuids())
def test_a_spelling_is_read_back(prefix: str, uuid: UUID) -> None:
    assert parse(prefix, spell(prefix, uuid)) == uuid


@pytest.mark.parametrize(
    "text",
    [
        "",
        "job_",
        _SOME.hex,
        str(_SOME),
        f"job_{_SOME}",
        f"job_{_SOME.hex.upper()}",
        f"ent_{_SOME.hex}",
        f"job_{_SOME.hex}0",
        f"job_{_SOME.hex}\n",
        f" job_{_SOME.hex}",
        "job_" + "٣" * 32,
        "job_\0",
    ],
)
def test_any_other_spelling_names_nothing(text: str) -> None:
    with pytest.raises(NotFound):
        parse(JOB, text)


@pytest.mark.parametrize("text", [f"job_{_SOME.hex}", _SOME.hex, str(_SOME), str(_SOME).upper(), f" job_{_SOME}\n"])
def test_for_people_each_spelling_of_an_id_names_the_same(text: str) -> None:
    assert parse_any(JOB, text) == _SOME


@pytest.mark.parametrize("text", ["", f"ent_{_SOME.hex}", f"job_{_SOME.hex}0", "nonsense"])
def test_for_people_too_what_is_no_id_names_nothing(text: str) -> None:
    with pytest.raises(NotFound, match="There is no job"):
        parse_any(JOB, text)


def test_what_is_not_found_is_named_but_not_at_any_length() -> None:
    with pytest.raises(NotFound, match=re.escape("There is no job 'nonsense'")):
        parse(JOB, "nonsense")
    with pytest.raises(NotFound) as missing:
        parse(JOB, "x" * 1_000_000)
    assert len(missing.value.message) < 100


def test_ids_made_one_after_the_other_are_in_order() -> None:
    made = [uuid7() for _ in range(1_000)]
    assert made == sorted(set(made))
    assert {uuid.version for uuid in made} == {7}
