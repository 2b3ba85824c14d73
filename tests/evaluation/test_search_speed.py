"""What the benchmark of the search measures with."""

import pytest
import torch

from backend.evaluation.search_speed import Stopwatch, published_weights
from backend.vision.finetune import mask_weights


class Part:
    """Something of which one method is timed."""

    size = 3

    def work(self, rounds: int) -> int:
        """Take some time."""
        return sum(range(rounds))


def test_a_stopwatch_stands_for_the_part_and_counts_one_method() -> None:
    watch = Stopwatch(Part(), "work")

    assert watch.size == 3
    assert watch.spent_ms == 0
    assert watch.work(1_000_000) == 499_999_500_000
    assert watch.spent_ms > 0


def test_gradient_descent_goes_to_the_mix_that_is_found_here() -> None:
    """Discs of 10, 20 and 34 pixels, mixed to one of 20: a thousand steps from the middle lead there."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(80.0), indexing="ij")
    away = ((rows - 30) ** 2 + (columns - 42) ** 2).sqrt()
    radii = torch.tensor([10.0, 20.0, 34.0])
    logits = (radii[:, None, None] - away) / 2
    truth = (away < 20).float()

    found, published = mask_weights(logits, truth), published_weights(logits, truth)

    assert float(published.sum()) == pytest.approx(1)
    assert float(published @ radii) == pytest.approx(20, abs=0.5)
    assert float(found @ radii) == pytest.approx(20, abs=0.5)
