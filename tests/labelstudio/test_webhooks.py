"""What our webhook has to be like."""

from types import SimpleNamespace

from backend.labelstudio.webhooks import EVENTS, has_settings, webhook_settings, with_own_headers


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


def test_without_basic_auth_the_webhook_that_label_studio_makes_is_fine() -> None:
    """It sends all actions; nobody need change it, nor one to which somebody gave a header for a proxy."""
    wanted = webhook_settings("", "")
    usual = {"is_active": True, "send_payload": True, "send_for_all_actions": True, "actions": []}

    assert has_settings(SimpleNamespace(**usual, headers={}), wanted)
    assert has_settings(SimpleNamespace(**usual, headers={"X-Proxy": "yes"}), wanted)
    assert not has_settings(SimpleNamespace(**usual, headers={}), webhook_settings("ann", "secret"))
    assert not has_settings(SimpleNamespace(**{**usual, "send_payload": False}, headers={}), wanted)


def test_headers_of_its_own_are_kept() -> None:
    stored = SimpleNamespace(headers={"X-Proxy": "yes", "Authorization": "Basic old"})

    mended = with_own_headers(stored, webhook_settings("ann", "secret"))

    assert mended["headers"] == {"X-Proxy": "yes", "Authorization": "Basic YW5uOnNlY3JldA=="}
