"""A client of server-sent events, over a connection of its own."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing

Connect = Callable[[], socket.socket]


class EventStream:
    """A client of a stream.

    Args:
        connect: returns a connection to the server.
        path: of the stream.
        version: of HTTP.
        headers: that it sends.
    """

    def __init__(self, connect: Connect, path: str, version: str = "1.0", **headers: str) -> None:
        self.connection = connect()
        sent = [f"GET {path} HTTP/{version}", "Host: x"]
        sent += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.connection.sendall("\r\n".join(sent).encode() + b"\r\n\r\n")
        self._file = self.connection.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers = dict(line.decode().rstrip().split(": ", 1) for line in iter(self._file.readline, b"\r\n"))

    def messages(self) -> Iterator[list[str]]:
        """The lines of each message, comments included, until the server ends the stream."""
        lines: list[str] = []
        for line in self._file:
            if line != b"\n":
                lines.append(line.decode().removesuffix("\n"))
            else:
                yield lines
                lines = []

    def told(self) -> Iterator[tuple[str, int, str]]:
        """The kind, the number and the data of each event, until the server ends the stream."""
        for lines in self.messages():
            if lines[0].startswith("event: "):
                kind, number, data = (line.partition(": ")[2] for line in lines)
                yield kind, int(number), data

    def rest(self) -> bytes:
        """All that comes until the server closes the connection; then close it, too."""
        with closing(self):
            return self._file.read()

    def close(self) -> None:
        self._file.close()
        self.connection.close()
