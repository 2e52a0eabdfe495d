"""The receivers of docs/how-to/receive-webhooks.md, pasted as they stand, take a real delivery, and nothing else."""

import base64
import hashlib
import hmac
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import pytest

from tests.support.receiver import Message, Receiver
from tests.worker.delivering import Hook, Process

_PAGE = (Path(__file__).parents[2] / "docs/how-to/receive-webhooks.md").read_text(encoding="utf-8")
_NODE = shutil.which("node")

# Returns the id of a message, or raises.
Verify: TypeAlias = Callable[[str, dict[str, str], bytes], str]


def block(language: str, word: str) -> str:
    """The block of the page in that language that has the word in it."""
    [found] = [text for text in re.findall(rf"```{language}\n(.*?)```", _PAGE, re.DOTALL) if word in text]
    return str(found)


def of_python(word: str) -> Verify:
    names: dict[str, Any] = {}
    exec(block("python", word), names)  # noqa: S102 # as a reader pastes it
    verify: Verify = names["verify"]
    return verify


def of_node(secret: str, headers: dict[str, str], body: bytes) -> str:
    calls = "const [secret, headers, body] = JSON.parse(process.argv[1]);\n"
    calls += 'process.stdout.write(verify(secret, headers, Buffer.from(body, "base64")));\n'
    arguments = json.dumps([secret, headers, base64.b64encode(body).decode()])
    run = subprocess.run(
        [str(_NODE), "--input-type=module", "--eval", block("js", "verify") + calls, arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if run.returncode:
        raise ValueError(run.stderr)
    return run.stdout


RECEIVERS = [
    pytest.param(of_python("hmac"), id="python"),
    pytest.param(of_python("standardwebhooks"), id="standardwebhooks"),
    pytest.param(of_node, id="node", marks=pytest.mark.skipif(_NODE is None, reason="there is no Node.js here")),
]


@pytest.fixture
def delivered(process: Process, receiver: Receiver, hook: Hook, end: Callable[[], UUID]) -> tuple[str, Message]:
    """The secret and the message of a job's end, as it arrived."""
    _, secret = hook(receiver.url)
    end()
    assert process.run() == 1
    [message] = receiver.messages
    return secret, message


def signed_at(secret: str, message: Message, moment: float) -> dict[str, str]:
    """The headers of the message as they were at another time."""
    told = str(int(moment))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message.id}.{told}.".encode() + message.body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {**message.headers, "webhook-timestamp": told, "webhook-signature": signature}


@pytest.mark.parametrize("verify", RECEIVERS)
def test_a_receiver_of_the_page_takes_a_delivery_and_nothing_else(
    delivered: tuple[str, Message], verify: Verify
) -> None:
    secret, message = delivered
    assert verify(secret, message.headers, message.body) == message.id
    now = time.time()
    assert verify(secret, signed_at(secret, message, now - 200), message.body) == message.id
    twice = f"v1,{'A' * 43}= {message.headers['webhook-signature']}"
    assert verify(secret, {**message.headers, "webhook-signature": twice}, message.body) == message.id
    other = f"whsec_{base64.b64encode(bytes(32)).decode()}"
    for wrong in (
        (other, message.headers, message.body),
        (secret, message.headers, message.body + b" "),
        (secret, {**message.headers, "webhook-id": "msg_1"}, message.body),
        (
            secret,
            {**message.headers, "webhook-timestamp": str(int(message.headers["webhook-timestamp"]) - 1)},
            message.body,
        ),
        (secret, {**message.headers, "webhook-timestamp": "soon"}, message.body),
        (secret, {**message.headers, "webhook-signature": "v1,"}, message.body),
        (secret, signed_at(secret, message, now - 400), message.body),
        (secret, signed_at(secret, message, now + 400), message.body),
    ):
        with pytest.raises(Exception, match=r"\S"):
            verify(*wrong)


def test_the_page_shows_the_headers_and_members_of_a_real_message(delivered: tuple[str, Message]) -> None:
    _, message = delivered
    shown = block("http", "webhook-id")
    for name in ("Content-Type", "User-Agent", "webhook-id", "webhook-timestamp", "webhook-signature"):
        assert re.search(rf"^{name}: ", shown, re.MULTILINE)
        assert name in message.headers
    assert list(json.loads(shown.splitlines()[-1])) == list(message.said)
