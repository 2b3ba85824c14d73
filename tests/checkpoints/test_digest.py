"""Which weights a checkpoint is made of."""

from pathlib import Path

import pytest

from backend.checkpoints.digest import weights_digest
from backend.checkpoints.errors import UnusableCheckpointError
from tests.tiny_sam import tiny_sam_model


def test_other_weights_in_the_same_folder_have_another_digest(tmp_path: Path) -> None:
    folder = tmp_path / "sam"
    digests = []
    for seed in (0, 1, 0):
        tiny_sam_model(seed).save_pretrained(folder)
        digests.append(weights_digest(str(folder), cache_dir=tmp_path))

    assert digests[0] == digests[2] != digests[1]


def test_a_checkpoint_of_the_hub_goes_by_its_commit(tmp_path: Path) -> None:
    """In the layout of the hub's own cache."""
    cached = tmp_path / "hub" / "models--some--sam"
    for commit in ("aaaa", "bbbb"):
        (cached / "snapshots" / commit).mkdir(parents=True)
        (cached / "snapshots" / commit / "config.json").write_text("{}")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("bbbb")

    assert weights_digest("some/sam", cache_dir=tmp_path) == "some/sam bbbb"


def test_the_embedded_networks_go_by_what_was_published(tmp_path: Path) -> None:
    digests = {weights_digest(name, cache_dir=tmp_path) for name in ("mobilesam", "efficientnet-lite0")}

    assert len(digests) == 2
    assert any(digest.startswith("sha512-") for digest in digests)


def test_weights_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnusableCheckpointError, match="nowhere"):
        weights_digest("some/nowhere", cache_dir=tmp_path)
