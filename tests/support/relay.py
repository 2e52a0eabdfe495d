"""A relay in front of Postgres that loses the answer to one COMMIT, as a network does."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_CHUNK = 65536


class Relay:
    """Passes connections on to a server, and cuts one of them at a COMMIT.

    Args:
        database_url: of the server.
        folder: for the relay's socket.
        marked: the first transaction in which the client sends this is the one to cut.
        lands: whether the server gets that COMMIT; its answer is lost either way.
        at: what to cut at instead, where a statement commits by itself.
    """

    def __init__(self, database_url: str, folder: Path, *, marked: bytes, lands: bool, at: bytes = b"COMMIT") -> None:
        self._server: dict[str, Any] = conninfo_to_dict(database_url)
        self._marked, self._lands, self._at = marked, lands, at
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._threads: list[threading.Thread] = []
        self._sockets = [self._listener]
        self.cuts = 0
        user = {name: self._server[name] for name in ("user", "password") if name in self._server}
        rest = make_conninfo(host=str(folder), port=5432, dbname=self._server["dbname"], **user)
        self.database_url = "postgresql:///?" + rest.replace(" ", "&")

    def run(self) -> None:
        """Serve until it is closed."""
        self._start(self._accept)

    def close(self) -> None:
        """Close all connections."""
        for sock in self._sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join()

    def _start(self, target: Any, *args: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=args))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                self._sockets += [client, server]
                lost = threading.Event()
                self._start(self._to_server, client, server, lost)
                self._start(self._to_client, client, server, lost)

    def _connect(self) -> socket.socket:
        host, port = self._server.get("host", "127.0.0.1"), self._server.get("port", 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, int(port)))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _to_server(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        marked = False
        with suppress(OSError):
            while data := client.recv(_CHUNK):
                marked = marked or self._marked in data
                if marked and self._at in data and not self.cuts:
                    self.cuts += 1
                    lost.set()
                    if self._lands:
                        server.sendall(data)
                        continue
                    client.shutdown(socket.SHUT_RDWR)
                    break
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    def _to_client(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(_CHUNK):
                if lost.is_set():
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay(database_url: str, folder: Path, *, marked: bytes, lands: bool, at: bytes = b"COMMIT") -> Iterator[Relay]:
    """A running relay."""
    running = Relay(database_url, folder, marked=marked, lands=lands, at=at)
    running.run()
    try:
        yield running
    finally:
        running.close()
