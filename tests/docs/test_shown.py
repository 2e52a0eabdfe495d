"""Blocks of a page are found, their placeholders filled, and what they show is compared as readers take it."""

import pytest

from tests.support.pages import Block, blocks, filled
from tests.support.shown import covers, documents, missing_lines

_PAGE = """\
```sh
echo one
```

<!-- not run: it installs -->
```sh
pip install two
```

1. A step:

   <!-- not run: it ends all -->
   ```sh
   three
   ```

   ```python
   if four:
       five
   ```
"""


def test_blocks_are_found_in_lists_too_and_a_reason_alone_keeps_one_from_being_run(tmp_path):
    page = tmp_path / "page"
    page.write_text(_PAGE)
    assert blocks(page) == [
        Block("sh", "echo one\n", 1, None),
        Block("sh", "pip install two\n", 6, "it installs"),
        Block("sh", "three\n", 13, "it ends all"),
        Block("python", "if four:\n    five\n", 17, None),
    ]


def test_a_placeholder_is_the_last_id_of_its_sort_and_a_variable_is_left_alone():
    first, last = f"job_{'1' * 32}", f"job_{'2' * 32}"
    text = filled("show JOB_ID $JOB_ID JOB_ID=1 THE_JOB_ID", f'{{"jobId": "{first}"}} {last}')
    assert text == f"show {last} $JOB_ID JOB_ID=1 THE_JOB_ID"


@pytest.mark.parametrize(
    ("shown", "given"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": "…", "…": "…"}, {"a": [1, 2]}),
        ({"id": "job_…"}, {"id": "job_7"}),
        ([{"a": 1}, "…"], [{"a": 1}, {"a": 2}]),
        ([1, "…"], [1]),
    ],
)
def test_what_is_shown_is_a_part_of_what_was_given(shown, given):
    assert covers(shown, given)


@pytest.mark.parametrize(
    ("shown", "given"),
    [
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": "1"}),
        ({"a": True}, {"a": 1}),
        ({"id": "job_…"}, {"id": "upl_7"}),
        ([1], [1, 2]),
        ([1, 2, "…"], [1]),
        ({}, []),
    ],
)
def test_what_is_shown_otherwise_is_told(shown, given):
    assert not covers(shown, given)


def test_documents_are_read_from_the_start_of_lines_over_several_lines():
    assert list(documents('x\n{"a": 1}\n{\n"b": 2}\nnot {"c": 3}\n[')) == [{"a": 1}, {"b": 2}]


def test_lines_are_found_in_their_order_and_with_anything_in_the_gaps():
    assert missing_lines("one\nthree … left", "zero\none\ntwo\nthree apples left\n") == []
    assert missing_lines("three\none", "one\nthree\n") == ["one"]
