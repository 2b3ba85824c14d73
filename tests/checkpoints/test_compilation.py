"""Compiling an image encoder, by a compiler that only follows the code: what is kept, and what is undone."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from backend.checkpoints.compilation import Trial, compile_encoder, repeated_blocks
from backend.checkpoints.errors import UnusableDeviceError
from tests import tiny_sam_families

PIXELS = torch.ones(2, 3, 4, 4)


class Block(nn.Module):
    """One of several that are alike."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """The pixels through its layer."""
        result: Tensor = self.layer(pixels)
        return result


class Network(nn.Module):
    """Blocks in a list, and fewer of something else in another."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(blocks))
        self.others = nn.ModuleList([nn.Identity(), nn.Identity()])
        self.mixed = nn.ModuleList([nn.Identity(), nn.ReLU()] * 10)
        self.requires_grad_(requires_grad=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """The pixels through all blocks."""
        for block in self.blocks:
            pixels = block(pixels)
        return pixels


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing is left of what was compiled before."""
    torch.compiler.reset()
    counters.clear()
    yield
    torch.compiler.reset()


def seconds(*took: float) -> Callable[[Callable[[], object]], float]:
    """A clock that says those, one after the other."""
    left = iter(took)
    return lambda _: next(left)


def is_compiled(network: Network) -> bool:
    return any(
        block._compiled_call_impl is not None  # noqa: SLF001 - nothing else tells
        for block in network.blocks
    )


def test_alike_blocks_are_compiled_once_for_one_image_and_once_for_several() -> None:
    """However many there are; then any number of images is known."""
    network = Network(9)

    trial = compile_encoder(
        network, network, PIXELS, only_if_faster=True, seconds=seconds(10, 5), compiler="eager"
    )
    network(torch.ones(7, 3, 4, 4))

    assert trial is not None
    assert (trial.kept, trial.times_as_fast) == (True, 2)
    assert counters["stats"]["unique_graphs"] == 2


@pytest.mark.parametrize(
    ("compiled_s", "only_if_faster", "kept"),
    [(9.5, True, False), (20, True, False), (9, True, True), (20, False, True)],
    ids=["hardly faster", "slower", "faster", "asked for"],
)
def test_it_stays_compiled_if_it_is_clearly_faster_or_asked_for(
    compiled_s: float, only_if_faster: bool, kept: bool
) -> None:
    """Against 10 s before."""
    network = Network(3)
    clock = seconds(10, compiled_s)

    trial = compile_encoder(
        network, network, PIXELS, only_if_faster=only_if_faster, seconds=clock, compiler="eager"
    )

    assert trial is not None
    assert trial.kept is kept
    assert is_compiled(network) is kept


def test_where_it_fails_the_network_is_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    network = Network(3)
    before = network(PIXELS)

    trial = compile_encoder(
        network, network, PIXELS, only_if_faster=True, seconds=seconds(10), compiler="no such"
    )

    assert trial is None
    assert not is_compiled(network)
    assert torch.equal(network(PIXELS), before)
    assert "cannot compile the image encoder, it is left as it was" in caplog.text


def test_where_it_fails_though_it_was_asked_for_is_an_error() -> None:
    network = Network(3)

    with pytest.raises(UnusableDeviceError, match="ONESHOT_COMPILE=on"):
        compile_encoder(
            network, network, PIXELS, only_if_faster=False, seconds=seconds(10), compiler="no such"
        )


def test_a_network_without_alike_blocks_is_compiled_as_a_whole() -> None:
    alone = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())
    network = Network(3)

    assert repeated_blocks(alone) == [alone]
    assert repeated_blocks(network) == list(network.blocks)


@pytest.mark.parametrize(
    ("make", "blocks"),
    [
        (tiny_sam_families.tiny_sam_hq_model, "SamHQVisionLayer"),
        (tiny_sam_families.tiny_sam2_model, "Sam2MultiScaleBlock"),
        (tiny_sam_families.tiny_edgetam_model, "EdgeTamVisionModel"),
    ],
    ids=["SAM-HQ", "SAM 2.1", "EdgeTAM"],
)
def test_blocks_are_those_of_the_transformer(make: Callable[[], Any], blocks: str) -> None:
    """EdgeTAM's encoder has none, and lists of single layers are no blocks."""
    found = repeated_blocks(make().vision_encoder)

    assert {type(block).__name__ for block in found} == {blocks}


def test_what_came_of_it_is_told_in_a_line() -> None:
    assert str(Trial(kept=True, times_as_fast=1.43, took_s=31.2)) == (
        "image encoder is compiled: 1.43 times as fast compiled, 31 s"
    )
