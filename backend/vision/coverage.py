"""Coverage: which references to keep, so that they show different looks and not ten times the same."""

from collections.abc import Sequence

import torch
from torch import Tensor

from backend.vision.check import COLOUR_KINSHIP
from backend.vision.prototype import Look
from backend.vision.reference import Reference


def chosen(references: Sequence[Reference], limit: int) -> tuple[int, ...]:
    """Say which references to keep, at most *limit* of each label.

    The first of a label is the one shot and stays. Then always the one that is least like those that are kept
    already; of equals the earlier.

    Args:
        references: of any labels, in the order in which they were annotated.
        limit: references per label, 1 or more.

    Returns:
        Their numbers, in rising order.

    Raises:
        ValueError: *limit* is below 1.
    """
    if limit < 1:
        raise ValueError(f"limit: expected at least 1 reference per label, got {limit}")
    labels = dict.fromkeys(one.label for one in references)
    kept = (number for label in labels for number in _spread(references, label, limit))
    return tuple(sorted(kept))


def _spread(references: Sequence[Reference], label: str, limit: int) -> list[int]:
    """Numbers of the references of one label that are kept."""
    mine = [number for number, one in enumerate(references) if one.label == label]
    alike = torch.stack([torch.stack([kinship(references[a], references[b]) for b in mine]) for a in mine])
    kept = [0]
    while len(kept) < min(limit, len(mine)):
        closest = alike[:, kept].amax(dim=1)
        closest[kept] = torch.inf
        kept.append(int(closest.argmin()))
    return [mine[i] for i in kept]


def kinship(one: Reference, other: Reference) -> Tensor:
    """How alike the looks of two references are: the mean over the looks of both, each with its closest."""
    pairs = torch.stack(
        [
            torch.stack(
                [
                    mine.semantic.vector.cpu() @ theirs.semantic.vector.cpu()
                    + COLOUR_KINSHIP * (mine.colours.cpu() @ theirs.colours.cpu())
                    for theirs in looks(other)
                ]
            )
            for mine in looks(one)
        ]
    )
    return (pairs.amax(dim=1).mean() + pairs.amax(dim=0).mean()) / 2


def looks(reference: Reference) -> list[Look]:
    """One look per annotated object, as the check has them."""
    return [look for prototype in reference.closest for look in prototype.looks]
