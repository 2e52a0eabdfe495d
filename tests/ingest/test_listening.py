import pytest

from ingest.machine.listening import open_addresses


@pytest.mark.parametrize(
    ("bound", "found"),
    [
        ("127.0.0.1:8000", []),
        ("localhost:8000", []),
        ("[::1]:8000", []),
        ("unix:/run/sluice.sock", []),
        ("fd://3", []),
        ("0.0.0.0:8000", ["0.0.0.0:8000"]),
        (":8000", [":8000"]),
        ("[::]:8000", ["[::]:8000"]),
        ("192.0.2.7:80", ["192.0.2.7:80"]),
        ("web:8000", ["web:8000"]),
        ("unix:/s,10.0.0.1:80", ["10.0.0.1:80"]),
    ],
)
def test_an_address_is_open_unless_this_machine_alone_reaches_it(bound: str, found: list[str]) -> None:
    assert open_addresses({"SLUICE_BIND": bound}) == found


def test_port_alone_is_open_and_nothing_at_all_is_not() -> None:
    assert open_addresses({"PORT": "8000"}) == ["0.0.0.0:8000"]
    assert open_addresses({}) == []
