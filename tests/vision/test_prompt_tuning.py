"""Prompt tuning, with real MobileSAM on a drawn image, and its bookkeeping."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.checkpoints.sam_encoder import SamEncoder
from backend.checkpoints.sam_families import EDGETAM, SAM, SAM2, SAM_HQ, Family
from backend.vision.pipeline import Models
from backend.vision.prompt_tuning import STEPS, TOGETHER, Outlined, batches, loss, pointed, tuned
from backend.vision.prototype import reference_logits
from backend.vision.sam import MaskLogits, Sam
from backend.worker.models import load_models
from tests import tiny_sam_families
from tests.colour_sam import RED, box_mask, colour_models, drawn
from tests.tiny_sam import INPUT_SIZE, tiny_sam, tiny_sam_model

DISCS = ((60, 70), (60, 230), (190, 90), (180, 250))  # (row, column)
RADIUS, ANNOTATED = 22, 34


@pytest.fixture(scope="module")
def mobilesam(cache_dir: Path) -> Models:
    """As a worker has it."""
    return load_models(sam="mobilesam", cache_dir=cache_dir, device="cpu", threads=0)


def discs(radius: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Masks of the discs, (250, 320) bool each."""
    rows, columns = np.mgrid[:250, :320]
    return [(rows - row) ** 2 + (columns - column) ** 2 <= radius**2 for row, column in DISCS]


def test_points_lie_inside_the_thing_the_innermost_first() -> None:
    """A box of 9 x 25 pixels, whose middle row is 10 + 4 and whose ends are less deep."""
    pixels = box_mask(10, 20, 9, 25)
    embedding = colour_models().sam.embed(drawn())
    shown = pointed(embedding, pixels, reference_logits(pixels, embedding) > 0)
    columns_rows = (shown.points_xy - 0.5).int().tolist()

    assert columns_rows[0][1] == 14
    assert len(columns_rows) == 4
    assert all(12 <= row <= 16 and 22 <= column <= 42 for column, row in columns_rows)


def test_points_are_the_same_however_much_lies_around_the_thing() -> None:
    """A view of many pixels costs no more than the thing in it."""
    pixels = box_mask(10, 20, 9, 25)
    embedding = colour_models().sam.embed(drawn())
    mask = reference_logits(pixels, embedding) > 0
    around = np.pad(pixels, ((100, 50), (300, 20)))

    near, far = pointed(embedding, pixels, mask), pointed(embedding, around, mask)

    assert torch.equal(far.points_xy, near.points_xy + torch.tensor([300.0, 100.0]))


@pytest.mark.parametrize("count", [1, 3, 8, 50])
def test_every_example_has_its_turn_before_one_has_a_second(count: int) -> None:
    """However many there are."""
    turns = [each for batch in batches(count) for each in batch]

    assert len(turns) == STEPS * TOGETHER
    for turn in range(len(turns) // count):
        assert sorted(turns[turn * count : (turn + 1) * count]) == [(number, turn) for number in range(count)]


def test_the_loss_is_that_of_the_best_mask_and_none_where_it_is_right() -> None:
    """What a decoder answers besides the right mask does not count."""
    mask = torch.from_numpy(box_mask(4, 8, 16, 24))
    right = mask.float() * 60 - 30
    answer = MaskLogits(torch.stack([-right, right])[None], torch.tensor([[0.9, 0.1]]))

    assert float(loss(answer, mask)) == pytest.approx(0.0, abs=1e-4)
    assert float(loss(MaskLogits(-right[None, None], torch.ones(1, 1)), mask)) > 1


def test_a_prompt_of_zeros_changes_nothing_and_another_one_does() -> None:
    """Nor does the one before linger on in what is kept of an image."""
    sam = tiny_sam()
    embedding = sam.embed(drawn((4, 8, 16, 24, RED)))
    points_xy, labels = torch.tensor([[[20.0, 10.0]]]), torch.tensor([[1]])

    def answer(shift: torch.Tensor | None) -> torch.Tensor:
        return sam.decode(embedding, points_xy=points_xy, labels=labels, shift=shift).logits

    plain = answer(None)

    assert sam.channels == 32
    assert torch.equal(answer(torch.zeros(32)), plain)
    assert not torch.allclose(answer(torch.ones(32)), plain)
    assert torch.equal(answer(None), plain)


def test_points_bring_out_what_people_drew(mobilesam: Models) -> None:
    """They drew more than the discs that SAM sees; three of them teach what the fourth is."""
    image = np.full((250, 320, 3), 90, dtype=np.uint8)
    for mask in discs(RADIUS):
        image[mask] = 200
    embedding = mobilesam.sam.embed(image)
    shown = [
        pointed(embedding, pixels, reference_logits(pixels, embedding) > 0) for pixels in discs(ANNOTATED)
    ]

    prompt = tuned(mobilesam.sam, shown[:3])

    def lost(shift: torch.Tensor | None) -> float:
        points_xy = shown[3].points_xy[:1]
        return float(
            loss(
                mobilesam.sam.decode(
                    embedding, points_xy=points_xy[None], labels=torch.tensor([[1]]), shift=shift
                ),
                shown[3].mask,
            )
        )

    assert prompt.shape == (256,)
    assert not prompt.requires_grad
    assert lost(prompt) < 0.8 * lost(None)


@pytest.mark.parametrize(
    ("make", "family", "side"),
    [
        (tiny_sam_model, SAM, INPUT_SIZE),
        (tiny_sam_families.tiny_sam_hq_model, SAM_HQ, tiny_sam_families.INPUT_SIZE),
        (tiny_sam_families.tiny_sam2_model, SAM2, tiny_sam_families.INPUT_SIZE),
        (tiny_sam_families.tiny_edgetam_model, EDGETAM, tiny_sam_families.INPUT_SIZE),
    ],
    ids=lambda value: value.title if isinstance(value, Family) else None,
)
def test_every_family_can_be_tuned_and_the_same_examples_give_the_same_prompt(
    make: Callable[[], Any], family: Family, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps are enough to see that gradients arrive."""
    monkeypatch.setattr("backend.vision.prompt_tuning.STEPS", 2)
    model = make()
    sam = Sam(model, SamEncoder(model, family, torch.device("cpu")), input_size=side)
    pixels = box_mask(4, 8, 16, 24)
    embedding = sam.embed(drawn((4, 8, 16, 24, RED)))
    shown = pointed(embedding, pixels, reference_logits(pixels, embedding) > 0)

    found = Outlined(embedding, shown.mask, torch.where(shown.mask, 4.0, -4.0))

    prompt, again = (tuned(sam, [shown, found]) for _ in range(2))

    assert prompt.shape == (sam.channels,)
    assert prompt.isfinite().all()
    assert (prompt.abs() > 0.001).any()
    assert torch.equal(prompt, again)
