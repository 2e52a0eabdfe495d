"""Secrets at rest: a secret opens under its own tenant, purpose and master key, and under nothing else."""

import base64

import pytest

from ingest import crypto
from ingest.crypto import MasterKeys, wrong_master_keys
from ingest.errors import MasterKeyMissing, SecretUnreadable

_OLD, _NEW = (f"{kid}:{base64.b64encode(bytes([number] * 32)).decode()}" for number, kid in enumerate(("old", "new")))
_SECRET = b"whsec_hunter2"


def stored(text: str = _OLD, *, tenant_id: int = 1, purpose: str = "webhook") -> str:
    return MasterKeys.parse(text).encrypt(_SECRET, tenant_id=tenant_id, purpose=purpose)


def test_a_secret_comes_back_and_is_not_stored_as_it_is() -> None:
    secret = stored()
    assert "hunter2" not in secret
    assert secret.startswith("old:")
    assert MasterKeys.parse(_OLD).decrypt(secret, tenant_id=1, purpose="webhook") == _SECRET


def test_the_same_secret_is_stored_otherwise_each_time() -> None:
    assert stored() != stored()


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    both = f"{_NEW}, {_OLD}"
    assert stored(both).startswith("new:")
    assert MasterKeys.parse(both).decrypt(stored(_OLD), tenant_id=1, purpose="webhook") == _SECRET


@pytest.mark.parametrize("told", [{"tenant_id": 2, "purpose": "webhook"}, {"tenant_id": 1, "purpose": "callback"}])
def test_a_secret_of_another_tenant_or_purpose_can_not_be_decrypted(told: dict[str, object]) -> None:
    with pytest.raises(SecretUnreadable):
        MasterKeys.parse(_OLD).decrypt(stored(), **told)  # type: ignore[arg-type] # as named


def test_a_secret_that_was_changed_can_not_be_decrypted() -> None:
    kid, _, text = stored().partition(":")
    sealed = bytearray(base64.b64decode(text))
    sealed[-1] ^= 1
    changed = f"{kid}:{base64.b64encode(sealed).decode()}"
    with pytest.raises(SecretUnreadable):
        MasterKeys.parse(_OLD).decrypt(changed, tenant_id=1, purpose="webhook")


@pytest.mark.parametrize("text", ["", "old:", "old:x", "old:eHh4"])
def test_a_secret_that_is_none_can_not_be_decrypted(text: str) -> None:
    with pytest.raises(SecretUnreadable):
        MasterKeys.parse(_OLD).decrypt(text, tenant_id=1, purpose="webhook")


def test_a_secret_under_another_id_of_the_same_key_can_not_be_decrypted() -> None:
    renamed = _OLD.replace("old", "renamed")
    with pytest.raises(SecretUnreadable):
        MasterKeys.parse(renamed).decrypt(stored().replace("old", "renamed"), tenant_id=1, purpose="webhook")


def test_a_key_that_is_gone_is_named_and_nothing_else_is() -> None:
    with pytest.raises(SecretUnreadable, match='no key "old"') as caught:
        MasterKeys.parse(_NEW).decrypt(stored(), tenant_id=1, purpose="webhook")
    assert "hunter2" not in caught.value.message


def test_without_a_key_nothing_is_encrypted_and_the_message_says_what_to_do() -> None:
    with pytest.raises(MasterKeyMissing, match="sluice crypto generate"):
        stored("")


def test_a_generated_key_is_one_that_the_setting_takes() -> None:
    key = crypto.generate()
    assert wrong_master_keys(key) is None
    assert crypto.generate() != key
    assert stored(key).startswith(key.partition(":")[0])


@pytest.mark.parametrize("text", ["", " ", _OLD, f"{_NEW},{_OLD}", f" {_NEW} , {_OLD} "])
def test_right_keys_have_no_fault(text: str) -> None:
    assert wrong_master_keys(text) is None


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
    message = wrong_master_keys(text)
    assert message
    assert fault in message
    assert "hunter2" not in message


def test_no_key_stands_in_what_the_keys_print_as() -> None:
    assert "\\x" not in repr(MasterKeys.parse(_NEW))
