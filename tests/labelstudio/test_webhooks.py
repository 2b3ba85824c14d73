"""What our webhook has to be like."""

from types import SimpleNamespace

from backend.labelstudio.webhooks import EVENTS, has_settings, webhook_settings


def test_with_a_user_the_webhook_sends_basic_auth() -> None:
    assert webhook_settings("ann", "se:cret")["headers"] == {"Authorization": "Basic YW5uOnNlOmNyZXQ="}
    assert webhook_settings("", "")["headers"] == {}


def test_the_order_of_events_does_not_matter() -> None:
    wanted = webhook_settings("ann", "secret")
    stored = SimpleNamespace(**{**wanted, "actions": list(reversed(EVENTS)), "url": "http://x/webhook"})

    assert has_settings(stored, wanted)


def test_another_password_a_missing_event_or_a_switched_off_webhook_is_noticed() -> None:
    wanted = webhook_settings("ann", "secret")

    assert not has_settings(SimpleNamespace(**webhook_settings("ann", "older")), wanted)
    assert not has_settings(SimpleNamespace(**{**wanted, "actions": list(EVENTS[1:])}), wanted)
    assert not has_settings(SimpleNamespace(**{**wanted, "is_active": False}), wanted)
