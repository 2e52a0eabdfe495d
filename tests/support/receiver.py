"""A receiver of webhooks: a real server in threads of this process, which does to each message what the test says."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from standardwebhooks import Webhook


@dataclass(frozen=True)
class Message:
    """A message as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> dict[str, Any]:
        told: dict[str, Any] = msgspec.json.decode(self.body)
        return told

    def verify(self, secret: str) -> None:
        """Raise unless the secret signed it."""
        Webhook(secret).verify(self.body, self.headers)


class Receiver:
    """Keeps every message, and answers as `answers` says: by default 204.

    Attributes:
        answers: writes the answer to a request; set by a test.
        arrived: notified of each message.
        url: where it listens.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.messages: list[Message] = []
        self.arrived = threading.Condition()
        self.answers: Callable[[BaseHTTPRequestHandler], None] = status(204)


def status(code: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answer with a status and nothing else."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


@contextmanager
def receiving(wrap: Callable[[ThreadingHTTPServer], str] | None = None, *, port: int = 0) -> Iterator[Receiver]:
    """Run a receiver on this machine, on a free port if none is named.

    Args:
        wrap: changes the server before it runs, such as for TLS, and returns its URL.
        port: where it listens.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            with receiver.arrived:
                receiver.messages.append(Message(self.path, dict(self.headers.items()), content))
                receiver.arrived.notify_all()
            receiver.answers(self)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 1_000  # connections that come at once: the kernel drops what finds no room, for seconds

    server = Server(("127.0.0.1", port), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a sender that has hung up is no news
    url = wrap(server) if wrap else f"http://127.0.0.1:{server.server_address[1]}/hook"
    receiver = Receiver(url)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
