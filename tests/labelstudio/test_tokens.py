"""Legacy and personal access tokens, as the Authorization header."""

import base64
import json
import time
from collections.abc import Iterator

import httpx
import pytest

from backend.labelstudio.client import LabelStudio
from backend.labelstudio.errors import LabelStudioUnavailableError, RequestRefusedError, TokenRefusedError
from backend.labelstudio.tokens import ApiKey
from tests.labelstudio.loopback import Answer, Asked, Loopback, json_answer

REFRESH, WHOAMI = "/api/token/refresh/", "/api/current-user/whoami"


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=5) as client:
        yield client


def _token(**claims: object) -> str:
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in
                    (b'{"alg":"none"}', json.dumps(claims).encode(), b"signature"))  # fmt: skip


def test_a_legacy_token_is_sent_as_it_is(http: httpx.Client) -> None:
    assert ApiKey("http://127.0.0.1:1", "0123456789abcdef", http).authorisation() == "Token 0123456789abcdef"


def test_a_legacy_token_with_dots_is_no_personal_one(http: httpx.Client) -> None:
    assert ApiKey("http://127.0.0.1:1", "a.b.c", http).authorisation() == "Token a.b.c"


def test_a_personal_token_is_exchanged_once_while_the_access_token_lives(
    http: httpx.Client, label_studio_double: Loopback
) -> None:
    personal, access = _token(exp=4_102_444_800), _token(exp=int(time.time()) + 300)
    label_studio_double.answers[REFRESH] = json_answer({"access": access})
    key = ApiKey(label_studio_double.url, personal, http)

    assert [key.authorisation() for _ in range(3)] == [f"Bearer {access}"] * 3
    assert [json.loads(each.body) for each in label_studio_double.asked] == [{"refresh": personal}]


def test_it_is_exchanged_again_before_the_access_token_expires(
    http: httpx.Client, label_studio_double: Loopback
) -> None:
    ages = iter([20, 300])

    def exchange(_: Asked) -> Answer:
        return json_answer({"access": _token(exp=int(time.time()) + next(ages))})

    label_studio_double.answers[REFRESH] = exchange
    key = ApiKey(label_studio_double.url, _token(exp=4_102_444_800), http)

    for _ in range(3):
        key.authorisation()

    assert len(label_studio_double.asked) == 2


@pytest.mark.parametrize("ahead_s", [-3600, 3600])
@pytest.mark.parametrize(("life_s", "exchanges"), [(20, 3), (300, 1)])
def test_the_life_of_an_access_token_is_counted_here_and_not_by_label_studios_clock(
    http: httpx.Client, label_studio_double: Loopback, ahead_s: int, life_s: int, exchanges: int
) -> None:
    """By this machine's clock it ends an hour too late or too early."""
    issued = int(time.time()) + ahead_s
    label_studio_double.answers[REFRESH] = json_answer({"access": _token(iat=issued, exp=issued + life_s)})
    key = ApiKey(label_studio_double.url, _token(exp=4_102_444_800), http)

    for _ in range(3):
        key.authorisation()

    assert len(label_studio_double.asked) == exchanges


@pytest.mark.parametrize("claims", [{}, {"exp": "soon"}, {"iat": 5}, {"exp": None, "iat": 5}])
def test_an_access_token_that_does_not_tell_its_end_is_used_for_a_while(
    http: httpx.Client, label_studio_double: Loopback, claims: dict[str, object]
) -> None:
    label_studio_double.answers[REFRESH] = json_answer({"access": _token(**claims)})
    key = ApiKey(label_studio_double.url, _token(exp=4_102_444_800), http)

    for _ in range(3):
        key.authorisation()

    assert len(label_studio_double.asked) == 1


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (json_answer({"detail": "Token is blacklisted"}, 401), TokenRefusedError, "Token is blacklisted"),
        (json_answer({"access": None}), TokenRefusedError, "expected an access token"),
        (json_answer([]), RequestRefusedError, "answers what cannot be understood"),
        (Answer(b"<html>"), RequestRefusedError, "answers no JSON"),
        (Answer(status=503), LabelStudioUnavailableError, "status 503"),
        (Answer(reset=True), LabelStudioUnavailableError, "is unreachable"),
    ],
)
def test_a_failed_exchange_is_told(
    http: httpx.Client, label_studio_double: Loopback, answer: Answer, error: type[Exception], message: str
) -> None:
    label_studio_double.answers[REFRESH] = answer

    with pytest.raises(error, match=message):
        ApiKey(label_studio_double.url, _token(exp=4_102_444_800), http).authorisation()


@pytest.mark.parametrize("key", ["", "two words", "café", "line\nbreak", "tab\there"])
def test_what_cannot_be_a_key_is_refused_without_repeating_it(http: httpx.Client, key: str) -> None:
    with pytest.raises(TokenRefusedError, match="set LABEL_STUDIO_API_KEY") as caught:
        ApiKey("http://127.0.0.1:1", key, http)

    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("helps", [True, False], ids=["a new one is taken", "a new one is refused, too"])
def test_an_access_token_that_is_refused_is_exchanged_once_more(
    label_studio_double: Loopback, *, helps: bool
) -> None:
    """Label Studio knows when it ends; how long it lives as counted here may be wrong."""
    issued = [_token(exp=int(time.time()) + 300, jti=each) for each in (1, 2)]
    left = iter(issued)
    label_studio_double.answers[REFRESH] = lambda _: json_answer({"access": next(left)})

    def whoami(asked: Asked) -> Answer:
        known = helps and asked.headers["authorization"] == f"Bearer {issued[1]}"
        return json_answer({"id": 1, "email": "ann@example.com"} if known else {}, 200 if known else 401)

    label_studio_double.answers[WHOAMI] = whoami
    with LabelStudio(label_studio_double.url, _token(exp=4_102_444_800)) as client:
        if helps:
            assert client.user() == "ann@example.com"
        else:
            with pytest.raises(TokenRefusedError):
                client.user()

    assert label_studio_double.paths == [REFRESH, WHOAMI, REFRESH, WHOAMI]


def test_a_refused_legacy_token_is_not_sent_again(label_studio_double: Loopback) -> None:
    label_studio_double.answers[WHOAMI] = json_answer({}, 401)

    with LabelStudio(label_studio_double.url, "0" * 40) as client, pytest.raises(TokenRefusedError):
        client.user()

    assert label_studio_double.paths == [WHOAMI]
