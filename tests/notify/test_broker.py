import pytest

from ingest.notify.broker import celery_app


@pytest.mark.parametrize(
    ("redis_url", "broker"),
    [
        ("redis://cache:6379/0", "redis://cache:6379/0"),
        ("rediss://:secret@cache:6380/1", "rediss://:secret@cache:6380/1"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
        ("unix://:secret@/run/redis.sock", "redis+socket://:secret@/run/redis.sock?virtual_host=0"),
    ],
)
def test_celery_is_given_its_own_spelling_of_the_url(redis_url: str, broker: str) -> None:
    app = celery_app(redis_url)
    assert app.conf.broker_url == broker


def test_certificates_are_checked_over_tls() -> None:
    assert celery_app("rediss://cache:6380/0").conf.broker_use_ssl["ssl_cert_reqs"].name == "CERT_REQUIRED"
    assert not celery_app("redis://cache:6379/0").conf.broker_use_ssl


def test_messages_are_hints_and_settings_say_so() -> None:
    conf = celery_app("redis://cache:6379/0").conf
    assert not conf.task_acks_late
    assert conf.task_ignore_result
    assert conf.result_backend is None
    assert not conf.task_publish_retry
    assert conf.accept_content == ["json"]
