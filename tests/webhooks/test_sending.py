"""One try: to an address that was looked up once and checked, over in 15 s whatever the receiver does."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import httpcore2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ingest.webhooks.sending import TIMEOUT_SECONDS, Answer, Sender
from tests.support.receiver import Receiver, receiving, status

_NAME = "hooks.example.test"
_SHORT_SECONDS = 0.3


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def sender(**options: Any) -> Sender:
    return Sender(**{"allow_private": True, "tls": ssl.create_default_context(), **options})


def send(url: str, **options: Any) -> Answer:
    return sender(**options).send(url, {"webhook-id": "msg_1"}, b"{}")


def always(*addresses: str) -> Callable[[str, int], Sequence[str]]:
    return lambda _host, _port: addresses


def test_a_try_has_15_seconds() -> None:
    assert sender().timeout_seconds == TIMEOUT_SECONDS == 15.0


def test_2xx_is_success_and_the_message_arrives_as_it_is(receiver: Receiver) -> None:
    for code in (200, 201, 202, 204, 299):
        receiver.answers = status(code)
        answer = send(f"{receiver.url}?a=%20b")
        assert (answer.status, answer.error) == (code, None)
    message = receiver.messages[-1]
    assert message.path == "/hook?a=%20b"
    assert message.body == b"{}"
    assert message.id == "msg_1"
    assert message.headers["Host"] == receiver.url.split("/")[2]


@pytest.mark.parametrize("code", [400, 401, 404, 410, 429, 500, 503])
def test_any_other_status_is_a_failure(receiver: Receiver, code: int) -> None:
    receiver.answers = status(code)
    assert send(receiver.url).error == f"it answered {code}"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, code: int) -> None:
    receiver.answers = status(code, Location=f"{receiver.url}/elsewhere")
    assert send(receiver.url).error == f"it answered {code}"
    assert [message.path for message in receiver.messages] == ["/hook"]


def test_retry_after_is_told(receiver: Receiver) -> None:
    receiver.answers = status(503, Retry_After="120")
    assert send(receiver.url).retry_after == 120.0


def test_retry_after_of_a_success_is_not_read(receiver: Receiver) -> None:
    receiver.answers = status(200, Retry_After="120")
    assert send(receiver.url) == Answer(200, ANY, None, None)


@pytest.mark.parametrize("code", [200, 503])
@pytest.mark.parametrize("date", [f"1 Jan {'9' * 20} 00:00:00", f"Mon, 01 Jan 2024 00:00:00 +{'9' * 20}", "\xff", ","])
def test_an_absurd_retry_after_leaves_the_outcome_as_it_is(receiver: Receiver, code: int, date: str) -> None:
    receiver.answers = status(code, Retry_After=date)
    answer = send(receiver.url)
    assert (answer.status, answer.retry_after) == (code, None)


def test_a_receiver_that_is_away_is_a_failure() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    answer = send(f"http://127.0.0.1:{port}/")
    assert answer.status is None
    assert answer.error
    assert answer.error.startswith("no connection")


class Trickle:
    """Sends a byte now and then, until the sender hangs up; the bytes are an answer that has no end.

    Attributes:
        hung_up: set once the sender has closed the connection.
    """

    def __init__(self, begin: bytes, endless: bytes) -> None:
        self.hung_up = threading.Event()
        self._begin, self._endless = begin, endless
        self._server = socket.create_server(("127.0.0.1", 0))
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/"

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with closing(connection):
            try:
                connection.sendall(self._begin)
                while not self._done.wait(0.02):
                    connection.sendall(self._endless)
            except OSError:
                self.hung_up.set()

    def close(self) -> None:
        self._done.set()
        self._thread.join()
        self._server.close()


@pytest.mark.parametrize(
    ("begin", "endless"),
    [
        (b"", b""),  # accepts, and says nothing
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_a_receiver_that_trickles_gains_no_time(begin: bytes, endless: bytes) -> None:
    receiver = Trickle(begin, endless)
    try:
        answer = send(receiver.url, timeout_seconds=_SHORT_SECONDS)
        assert answer.error == f"no answer within {_SHORT_SECONDS:g} s"
        if endless:
            assert receiver.hung_up.wait(10)
    finally:
        receiver.close()


def test_a_flood_of_informational_answers_ends_the_try() -> None:
    hung_up = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with closing(connection):
                try:
                    while True:
                        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000)
                except OSError:
                    hung_up.set()

        thread = threading.Thread(target=serve)
        thread.start()
        answer = send(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout_seconds=60.0)
        thread.join()
    assert answer.error == "its answer is no HTTP: its head has no end"
    assert hung_up.is_set()


class Reluctant(httpcore2.NetworkStream):
    """Takes a message and says nothing; notes how much it was to take at a time."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        assert timeout is not None
        self.taken.append(len(buffer))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 # as of the base
        return b""

    def close(self) -> None:
        pass


def test_a_large_message_is_written_in_pieces_that_each_have_the_deadline() -> None:
    stream = Reluctant()

    class Network(httpcore2.NetworkBackend):
        def connect_tcp(self, *_: Any, **__: Any) -> httpcore2.NetworkStream:
            return stream

    sender(network=Network()).send("http://127.0.0.1:9/", {}, b"x" * 100_000)
    assert max(stream.taken) <= 4_096
    assert sum(stream.taken) > 100_000


def test_the_body_of_an_answer_is_not_read(receiver: Receiver) -> None:
    hung_up = threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(b"x" * 65_536)
        except OSError:
            hung_up.set()

    receiver.answers = answer
    assert send(receiver.url).error is None
    assert hung_up.wait(10)


@pytest.mark.parametrize("said", [b"hello\r\n\r\n", b"HTTP/1.1 200\r\n" + b"x" * 200_000, b"\x16\x03\x01\x00", b""])
def test_an_answer_that_is_no_http_is_a_failure(said: bytes) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with closing(connection):
                connection.recv(65_536)
                connection.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        answer = send(f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()
    assert answer.status is None
    assert answer.error


def test_a_name_without_an_address_is_a_failure() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert send("https://x.example/", resolver=unknown).error == "the name was not found: Name or service not known"
    assert send("https://x.example/", resolver=always()).error == "the name has no address"


def test_a_look_up_that_has_no_answer_ends_with_the_try() -> None:
    answered = threading.Event()

    def hang(_host: str, _port: int) -> list[str]:
        answered.wait()
        return []

    try:
        answer = send("https://x.example/", resolver=hang, timeout_seconds=_SHORT_SECONDS)
        assert answer.error == f"the name was not found within {_SHORT_SECONDS:g} s"
        assert [thread.daemon for thread in threading.enumerate() if thread.name == "look-up"] == [True]
    finally:
        answered.set()


class Recorder(httpcore2.NetworkBackend):
    """Records each address that is to be connected to, and connects to none."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore2.NetworkStream:
        self.asked.append((host, port))
        raise httpcore2.ConnectError("refused")


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["169.254.169.254"], ["fe80::1%1"]],
)
def test_a_name_with_an_address_that_is_not_public_is_not_connected_to(addresses: list[str]) -> None:
    network = Recorder()
    answer = send("https://x.example/", allow_private=False, resolver=always(*addresses), network=network)
    assert answer.error == "the name has an address that is not public"
    assert network.asked == []


def test_a_resolver_that_changes_its_answer_is_asked_once_a_try() -> None:
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    network = Recorder()
    sending = sender(allow_private=False, resolver=lambda _host, _port: answers.pop(0), network=network)
    first = sending.send("https://x.example/", {}, b"{}")
    assert network.asked == [("93.184.216.34", 443)]
    assert first.error
    assert first.error.startswith("no connection")
    assert sending.send("https://x.example/", {}, b"{}").error == "the name has an address that is not public"
    assert network.asked == [("93.184.216.34", 443)]
    assert answers == []


def test_the_next_address_is_tried_if_one_refuses(receiver: Receiver) -> None:
    port = int(receiver.url.split(":")[2].split("/")[0])
    answer = send(f"http://{_NAME}:{port}/hook", resolver=always("127.0.0.2", "127.0.0.1"))
    assert answer.error is None
    assert receiver.messages[0].headers["Host"] == f"{_NAME}:{port}"


def test_of_very_many_addresses_four_are_tried() -> None:
    network = Recorder()
    many = [f"93.184.216.{number}" for number in range(100)]
    send("https://x.example/", allow_private=False, resolver=always(*many), network=network)
    assert len(network.asked) == 4


def test_no_proxy_of_the_environment_is_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert send(receiver.url).error is None


def test_a_url_that_may_not_be_any_more_is_not_connected_to() -> None:
    network = Recorder()
    assert send("http://127.0.0.1/", allow_private=False, network=network).error
    assert network.asked == []


def _certificate(name: str, folder: Path) -> tuple[Path, Path]:
    """Make a certificate that signs itself, for a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate", folder / "key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Receiver, ssl.SSLContext, list[str | None]]]:
    """A receiver by TLS for one name, a context that trusts its certificate, and the names that it was asked for."""
    certificate, private = _certificate(_NAME, tmp_path)
    names: list[str | None] = []

    def wrap(server: ThreadingHTTPServer) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, private)
        context.sni_callback = lambda _socket, name, _context: names.append(name)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        return f"https://{_NAME}:{server.server_address[1]}/hook"

    with receiving(wrap) as running:
        yield running, ssl.create_default_context(cafile=str(certificate)), names


def test_tls_is_with_the_checked_address_by_the_name(
    secure: tuple[Receiver, ssl.SSLContext, list[str | None]],
) -> None:
    receiver, tls, names = secure
    assert send(receiver.url, resolver=always("127.0.0.1"), tls=tls).error is None
    assert names == [_NAME]
    assert receiver.messages[0].headers["Host"] == receiver.url.split("/")[2]


def test_a_certificate_for_another_name_or_of_a_stranger_is_refused(
    secure: tuple[Receiver, ssl.SSLContext, list[str | None]],
) -> None:
    receiver, tls, _ = secure
    elsewhere = receiver.url.replace(_NAME, "other.example.test")
    for url, context in ((elsewhere, tls), (receiver.url, ssl.create_default_context())):
        answer = send(url, resolver=always("127.0.0.1"), tls=context)
        assert answer.error
        assert "certificate" in answer.error
    assert receiver.messages == []
