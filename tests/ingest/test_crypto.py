"""Secrets at rest: a secret opens under its own tenant, purpose and master key, and under nothing else."""

import base64
import gzip
import hmac
import json
from typing import Any

import pytest
import zstandard
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ingest import crypto
from ingest.crypto import Cipher, MasterKeys
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


def test_no_key_stands_in_what_the_keys_print_as() -> None:
    assert "\\x" not in repr(MasterKeys.parse(_NEW))


_BOTH = f"{_NEW},{_OLD}"
_PLAIN = b'"hunter2"'


def cipher(text: str = _OLD, *, tenant_id: int = 1, purpose: str = "entity/email") -> Cipher:
    return MasterKeys.parse(text).cipher(tenant_id, purpose)


@pytest.mark.parametrize("plain", [_PLAIN, b"", b"\0\xf5", b"x" * 100_000])
def test_a_sealed_value_comes_back_and_does_not_show(plain: bytes) -> None:
    sealed = cipher().seal(plain, b"player_1")
    assert b"hunter2" not in sealed
    assert cipher().open(sealed, b"player_1") == plain
    assert len(sealed) == len(plain) + 1 + 1 + len("old") + 12 + 16


def test_many_values_are_sealed_as_one_is_each_with_a_nonce_of_its_own() -> None:
    contexts = [b"1", b"2", b"3"]
    sealed = cipher().seal_all([_PLAIN] * 3, contexts)
    assert [cipher().open(*pair) for pair in zip(sealed, contexts, strict=True)] == [_PLAIN] * 3
    assert len(set(sealed)) == 3


@pytest.mark.parametrize(
    ("other", "context"),
    [
        ({"tenant_id": 2}, b"player_1"),
        ({"purpose": "entity/phone"}, b"player_1"),
        ({}, b"player_2"),
        ({}, b""),
    ],
)
def test_a_value_of_another_place_can_not_be_opened(other: dict[str, Any], context: bytes) -> None:
    sealed = cipher().seal(_PLAIN, b"player_1")
    with pytest.raises(SecretUnreadable):
        cipher(**other).open(sealed, context)


def test_a_sealed_value_that_was_changed_can_not_be_opened() -> None:
    sealed = cipher().seal(_PLAIN)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SecretUnreadable):
            cipher().open(bytes(changed))
    for length in range(len(sealed)):
        with pytest.raises(SecretUnreadable):
            cipher().open(sealed[:length])


def test_the_first_key_seals_and_a_lost_one_is_named() -> None:
    sealed = cipher(_BOTH).seal(_PLAIN)
    assert crypto.key_of(sealed) == "new" == cipher(_BOTH).kid
    assert cipher(_BOTH).open(cipher(_OLD).seal(_PLAIN)) == _PLAIN
    with pytest.raises(SecretUnreadable, match='no key "new"'):
        cipher(_OLD).open(sealed)


@pytest.mark.parametrize(
    "stored", [b"", b"{}", json.dumps([1]).encode(), gzip.compress(b"x"), zstandard.compress(b"x"), "ü".encode()]
)
def test_payloads_of_other_forms_are_not_taken_for_sealed_ones(stored: bytes) -> None:
    assert not crypto.is_sealed(stored)
    assert crypto.is_sealed(cipher().seal(stored))
    with pytest.raises(SecretUnreadable):
        cipher().open(stored)


def test_equal_values_have_equal_digests_of_their_place_alone() -> None:
    digest = cipher().digest(_PLAIN, b"player_1")
    assert digest == cipher().digest(_PLAIN, b"player_1") == cipher().digest_all([_PLAIN], [b"player_1"])[0]
    others = [
        cipher().digest(b'"hunter3"', b"player_1"),
        cipher().digest(_PLAIN, b"player_2"),
        cipher().digest(b"1" + _PLAIN, b"player_"),
        cipher(tenant_id=2).digest(_PLAIN, b"player_1"),
        cipher(purpose="entity/phone").digest(_PLAIN, b"player_1"),
        cipher(_NEW).digest(_PLAIN, b"player_1"),
    ]
    assert len({digest, *others}) == 1 + len(others)


def test_a_digest_under_an_older_key_is_made_again_while_that_is_configured() -> None:
    assert cipher(_BOTH).digest(_PLAIN, kid="old") == cipher(_OLD).digest(_PLAIN)
    assert cipher(_BOTH).digest(_PLAIN) == cipher(_NEW).digest(_PLAIN)


def test_a_digest_is_an_hmac_of_the_context_and_the_value() -> None:
    key = HKDF(SHA256(), 32, salt=None, info=b"sluice/digest/entity/email/tenant 1").derive(bytes([0] * 32))
    expected = hmac.digest(key, b"\0\0\0\x08player_1" + _PLAIN, "sha256")
    assert cipher().digest(_PLAIN, b"player_1") == expected[:16]


def test_without_a_key_no_value_is_sealed_and_none_has_a_digest() -> None:
    for call in (cipher("").seal, cipher("").digest):
        with pytest.raises(MasterKeyMissing, match="sluice crypto generate"):
            call(_PLAIN)
    with pytest.raises(SecretUnreadable):
        cipher("").open(cipher().seal(_PLAIN))
