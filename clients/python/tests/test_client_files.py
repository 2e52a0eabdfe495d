"""Files are cut at the same places for the same bytes, and a journal knows where a load stands."""

import gzip
import io
from pathlib import Path

import pytest
import zstandard

from sluice_client.compressed import decompressed
from sluice_client.cutting import CSV, LINES, cut
from sluice_client.errors import OtherLoad, UnknownFormat, UnreadableFile
from sluice_client.files import content_type_of, digest_of, parts_of
from sluice_client.journal import Journal

PLAN = {"kind": "events", "options": {"label": "a"}}


@pytest.mark.parametrize("part_bytes", [1, 2, 7, 16, 1000])
@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        (LINES, b'{"a":1}\n{"b":"\\""}\n\n{"c":3}'),
        (CSV, b'a,b\n1,"two\nlines"\n3,"a ""quote""\n\n"\n4,5\n'),
        (CSV, b'a\n"never closed\nrow\nrow\n'),
    ],
)
def test_parts_are_whole_records_and_together_the_file(content_type, text, part_bytes):
    parts = list(cut(io.BytesIO(text), content_type, part_bytes))
    assert b"".join(parts) == text
    for part in parts[:-1]:
        assert part.endswith(b"\n")
        assert content_type == LINES or part.count(b'"') % 2 == 0
    assert parts == list(cut(io.BytesIO(text), content_type, part_bytes))


def test_a_change_in_the_middle_moves_no_cut_of_equal_size():
    lines = [f'{{"n":"{number:06}"}}\n'.encode() for number in range(1000)]
    before = list(cut(io.BytesIO(b"".join(lines)), LINES, 1000))
    lines[500] = lines[500].replace(b"000500", b"xxxxxx")
    after = list(cut(io.BytesIO(b"".join(lines)), LINES, 1000))
    assert len(before) > 10
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress])
def test_a_file_is_decompressed_by_its_first_bytes(tmp_path, compress):
    path = tmp_path / "rows.ndjson"
    path.write_bytes(compress(b'{"a":1}\n'))
    with decompressed(path) as file:
        assert file.read() == b'{"a":1}\n'


def test_the_name_of_a_file_says_what_it_holds():
    assert content_type_of(Path("a.b/rows.ndjson.gz")) == (LINES, {})
    assert content_type_of(Path("ROWS.CSV")) == (CSV, {})
    assert content_type_of(Path("rows.tsv.zst")) == (CSV, {"delimiter": "tab"})
    with pytest.raises(UnknownFormat, match=r"should end in \.ndjson"):
        content_type_of(Path("rows.parquet"))


def test_a_digest_is_spelled_as_in_rfc_9530():
    assert digest_of(b"") == "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"


def test_a_journal_goes_on_with_the_same_upload_until_it_is_forgotten(tmp_path):
    journal = Journal(tmp_path / "rows.csv")
    assert journal.find(PLAN) is None
    journal.keep(PLAN, "upl_1")
    assert journal.find(PLAN) == "upl_1"
    journal.forget()
    assert list(tmp_path.iterdir()) == []
    journal.forget()


def test_a_journal_of_other_options_is_not_gone_on_with(tmp_path):
    journal = Journal(tmp_path / "rows.csv")
    journal.keep(PLAN, "upl_1")
    with pytest.raises(OtherLoad, match=r"rows\.csv.*had another label: .*resume=False"):
        journal.find({**PLAN, "options": {"label": "b"}})


def test_a_journal_that_was_cut_off_knows_nothing(tmp_path):
    journal = Journal(tmp_path / "rows.csv")
    journal.keep(PLAN, "upl_1")
    journal.path.write_bytes(journal.path.read_bytes()[:-5])
    assert journal.find(PLAN) is None


@pytest.mark.parametrize(("content_type", "begin"), [(CSV, b'a\n1\n"never'), (LINES, b'1\n2\n{"long":')])
def test_a_record_that_no_part_can_hold_is_named_by_its_line(tmp_path, content_type, begin):
    path = tmp_path / "rows"
    path.write_bytes(begin + b"x" * (32 * 1024**2) + b"\n4\n")
    with pytest.raises(UnreadableFile, match=r"rows: the record that begins at line 3 has more than 32 MiB"):
        list(parts_of(path, content_type, 1000))


def test_a_record_of_many_parts_is_held_back_until_its_end():
    text = b'a\n"' + b'x""\n' * 1000 + b'"\n2\n'
    parts = list(cut(io.BytesIO(text), CSV, 10))
    assert b"".join(parts) == text
    assert max(map(len, parts)) >= 4000


def twice(compress):
    """Two frames or members, one behind the other, as parallel compressors write them."""
    return lambda text: compress(text[:5]) + compress(text[5:])


@pytest.mark.parametrize(
    "compress", [gzip.compress, zstandard.compress, twice(gzip.compress), twice(zstandard.compress)]
)
def test_a_compressed_file_that_was_cut_off_is_no_whole_one(tmp_path, compress):
    path = tmp_path / "rows.ndjson"
    whole = compress(b'{"a":1}\n' * 100)
    path.write_bytes(whole)
    assert list(parts_of(path, LINES)) == [b'{"a":1}\n' * 100]
    for length in (len(whole) - 1, len(whole) - 6, len(whole) * 3 // 4, 5):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableFile, match=r"rows\.ndjson"):
            list(parts_of(path, LINES))


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_damaged_compressed_file_is_an_error_of_the_tree(tmp_path, compress):
    path = tmp_path / "rows.ndjson"
    whole = compress(b'{"a":1}\n' * 100)
    for damaged in (whole + b"more", whole[:12] + bytes(8) + whole[20:]):
        path.write_bytes(damaged)
        with pytest.raises(UnreadableFile, match=r"rows\.ndjson"):
            list(parts_of(path, LINES))
