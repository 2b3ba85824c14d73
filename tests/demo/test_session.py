"""Claims about a run of the demo."""

from pathlib import Path

import pytest

from backend.demo.errors import DemoSetupError
from backend.demo.session import label_config_for, only_one
from backend.labelstudio.label_config import image_controls

ROOT = Path(__file__).parents[2]


def test_two_demos_do_not_share_their_data(tmp_path: Path) -> None:
    with (
        only_one(tmp_path),
        pytest.raises(DemoSetupError, match="a demo runs already"),
        only_one(tmp_path),
    ):
        pass


def test_the_data_is_free_again_afterwards(tmp_path: Path) -> None:
    with only_one(tmp_path):
        pass

    with only_one(tmp_path):
        pass


def test_the_user_s_label_replaces_the_coin() -> None:
    config = (ROOT / "label_config.xml").read_text()

    (control,) = image_controls(label_config_for(config, 'the "big" one & only'))

    assert control.labels == ('the "big" one & only',)
