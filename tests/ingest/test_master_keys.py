import base64

import pytest

from ingest import master_keys
from ingest.crypto import MasterKeys

_OLD, _NEW = (f"{kid}:{base64.b64encode(bytes([number] * 32)).decode()}" for number, kid in enumerate(("old", "new")))


def test_a_generated_key_is_one_that_the_setting_takes() -> None:
    key = master_keys.generate()
    assert master_keys.fault(key) is None
    assert master_keys.generate() != key
    assert next(iter(MasterKeys.parse(key).keys)) == key.partition(":")[0]


@pytest.mark.parametrize("text", ["", " ", _OLD, f"{_NEW},{_OLD}", f" {_NEW} , {_OLD} "])
def test_right_keys_have_no_fault(text: str) -> None:
    assert master_keys.fault(text) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("hunter2", "key 1 must be an id"),
        (f"{_OLD},", "key 2 must be an id"),
        (_OLD.replace("old", "o/d"), "key 1 must be an id"),
        ("k:aHVudGVyMg==", "key 1 must be 32 bytes"),
        ("k:hunter2!", "key 1 must be 32 bytes"),
        (f"{_OLD},{_OLD}", "the id old stands twice"),
    ],
)
def test_a_wrong_key_is_told_without_a_word_of_it(text: str, fault: str) -> None:
    message = master_keys.fault(text)
    assert message
    assert fault in message
    assert "hunter2" not in message
