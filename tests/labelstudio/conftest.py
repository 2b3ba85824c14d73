"""Servers on the loopback interface."""

from collections.abc import Iterator

import pytest

from tests.labelstudio.loopback import Loopback, loopback


@pytest.fixture
def label_studio_double() -> Iterator[Loopback]:
    """Stands in for Label Studio where the real one cannot be made to fail."""
    with loopback() as server:
        yield server


@pytest.fixture
def elsewhere() -> Iterator[Loopback]:
    """Another server: not Label Studio's origin."""
    with loopback() as server:
        yield server
