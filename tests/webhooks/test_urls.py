"""The URLs that a webhook may have, and those that are refused when they are told."""

import pytest

from ingest.errors import WrongUrl
from ingest.webhooks import urls
from ingest.webhooks.urls import Target


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.example.com", Target("https", "hooks.example.com", 443, "hooks.example.com", "/")),
        ("https://Hooks.Example.com/a?b=c", Target("https", "hooks.example.com", 443, "hooks.example.com", "/a?b=c")),
        ("https://x.example:443/", Target("https", "x.example", 443, "x.example", "/")),
        ("https://x.example:8443/%C3%A9", Target("https", "x.example", 8443, "x.example:8443", "/%C3%A9")),
        ("https://93.184.216.34/", Target("https", "93.184.216.34", 443, "93.184.216.34", "/")),
        (
            "https://[2606:2800:220:1::1]:8443/",
            Target("https", "2606:2800:220:1::1", 8443, "[2606:2800:220:1::1]:8443", "/"),
        ),
        ("https://xn--bcher-kva.example/", Target("https", "xn--bcher-kva.example", 443, "xn--bcher-kva.example", "/")),
    ],
)
def test_a_public_url_is_taken_apart(url: str, target: Target) -> None:
    assert urls.parse(url, allow_private=False) == target


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://x.example/", "https://"),
        ("ftp://x.example/", "https://"),
        ("//x.example/", "https://"),
        ("https:///path", "https://"),
        ("https://user@x.example/", "no user"),
        ("https://user:secret@x.example/", "no user"),
        ("https://x.example@10.0.0.1/", "no user"),
        ("https://x.example:25/", "port"),
        ("https://x.example:0/", "port"),
        ("https://x.example:99999/", "port"),
        ("https://x.example:1e3/", "port"),
        ("https://x.example/#part", "fragments"),
        ("https://x.example/a b", "spaces"),
        ("https://x.example\\@10.0.0.1/", "spaces"),
        ("https://x.example/\n", "spaces"),
        ("https://bücher.example/", "xn--"),
        ("https://x..example/", "a name"),
        ("https://-x.example/", "a name"),
        ("https://x.example./", "a name"),
        ("https://[::1/", "a URL"),
        (f"https://x.example/{'a' * 2_000}", "2000 characters"),
    ],
)
def test_an_odd_url_is_refused_with_what_to_change(url: str, word: str) -> None:
    with pytest.raises(WrongUrl, match="Must") as caught:
        urls.parse(url, allow_private=False)
    assert word in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://10.1.2.3:8443/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fd00::1]/",
        "https://localhost/",
        "https://LOCALHOST/",
        "https://a.localhost/",
    ],
)
def test_a_literal_private_address_is_refused_unless_it_is_allowed(url: str) -> None:
    with pytest.raises(WrongUrl, match="private network"):
        urls.parse(url, allow_private=False)
    assert urls.parse(url, allow_private=True).scheme == "https"


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "x.1", "1.2.3.256", "0x7f000001"])
def test_an_address_in_an_odd_spelling_is_refused_even_where_private_ones_are_allowed(host: str) -> None:
    for allow_private in (False, True):
        with pytest.raises(WrongUrl, match="usual form"):
            urls.parse(f"https://{host}/", allow_private=allow_private)


def test_a_closed_network_may_use_http_and_any_port() -> None:
    assert urls.parse("http://127.0.0.1:80/x", allow_private=True) == Target("http", "127.0.0.1", 80, "127.0.0.1", "/x")
    assert urls.parse("http://hooks.internal:25", allow_private=True).port == 25
