import pytest

from ingest.origins import Origins


def test_origins_are_read_as_browsers_spell_them() -> None:
    found = Origins.parse("https://app.example, http://localhost:3000,http://[::1]:8080,,")
    assert found == Origins(frozenset({"https://app.example", "http://localhost:3000", "http://[::1]:8080"}))
    assert found.allow("http://[::1]:8080")
    assert not found.allow("http://1:8080")
    assert not found.allow("https://app.example.thief.example")
    assert not found.allow(None)


def test_no_origin_is_the_default() -> None:
    assert not Origins.parse("")
    assert not Origins.parse("").allow("https://app.example")


def test_a_star_alone_is_every_origin() -> None:
    assert Origins.parse(" * ").allow("https://app.example")
    with pytest.raises(ValueError, match="leave the others out"):
        Origins.parse("*, https://app.example")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://app.example/", 'as "https://app.example"'),
        ("https://app.example/a?b#c", 'as "https://app.example"'),
        ("https://App.Example", 'as "https://app.example"'),
        ("HTTPS://app.example", 'as "https://app.example"'),
        ("https://app.example:443", 'as "https://app.example"'),
        ("http://app.example:80", 'as "http://app.example"'),
        ("https://user@app.example", 'as "https://app.example"'),
        ("app.example", "is no origin"),
        ("//app.example", "is no origin"),
        ("null", "is no origin"),
        ("https://", "is no origin"),
        ("https://*.example", "it has no pattern"),
        ("https://bücher.example", "xn--"),
        ("ftp://app.example", "is no origin"),
        ("https://app.example:x", "is no origin"),
        ("https://app.example:99999", "is no origin"),
        ("https://[::1", "is no origin"),
        ("https://a.example https://b.example", "is no origin"),
    ],
)
def test_what_no_browser_sends_is_refused_with_what_it_would_send(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told.replace("*", r"\*")):
        Origins.parse(text)
