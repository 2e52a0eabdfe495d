"""The headers that every answer has, be it made by a view, by Flask or by gunicorn's worker."""

from collections.abc import Iterable

from app.http.cors import EXPOSED

# Scripts of other origins may read these anyhow (the Fetch standard, "CORS-safelisted response-header name").
_SAFELISTED = {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified"}
# For browsers and proxies, not for scripts.
_FOR_MACHINES = {
    *("connection", "date", "server", "transfer-encoding", "vary", "x-accel-buffering"),
    *("x-content-type-options", "content-security-policy", "referrer-policy"),
    *("access-control-allow-origin", "access-control-expose-headers"),
    *("access-control-allow-methods", "access-control-allow-headers", "access-control-max-age"),
}


def hold_headers(headers: Iterable[tuple[str, str]], *, cache: str = "no-store") -> None:
    """Hold an answer to what every answer has, and to headers that scripts of other origins can read.

    Args:
        headers: of the answer.
        cache: its Cache-Control.
    """
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    assert found["x-content-type-options"] == ["nosniff"]
    assert found["cache-control"] == [cache]
    assert len(found["x-request-id"]) == 1
    if found.get("content-type", [""])[0].startswith("text/html"):
        [policy] = found["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        for directive in ("base-uri", "form-action", "frame-ancestors"):
            assert f"{directive} 'none'" in policy
        assert found["referrer-policy"] == ["no-referrer"]
    unknown = set(found) - _SAFELISTED - _FOR_MACHINES - {name.lower() for name in EXPOSED}
    assert not unknown, f"add these to EXPOSED in app/http/cors.py: {sorted(unknown)}"
