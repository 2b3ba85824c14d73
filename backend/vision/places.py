"""The search: every place that looks like one of the things is segmented, the most promising first."""

import math
from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from backend.vision.candidate import Candidate, candidates_of
from backend.vision.evidence import LEAST_AREA, Weights, at_best, cues_of, just_like_it, log_areas, pooled
from backend.vision.location_map import LocationMaps
from backend.vision.location_prior import POSITIVE, cell_centres_xy
from backend.vision.parts import Part
from backend.vision.prototype import Prototype
from backend.vision.sam import ImageEmbedding, Sam
from backend.vision.sketch import Worth

PROMISING = 0.3  # on the location map: what may be the thing
COVERS = 0.6  # evidence from which a mask's other places need no look of their own
CLEAR = 0.95  # predicted IoU and stability that a mask over several things hardly ever has
LARGER = math.log(1.6)  # a mask larger than the reference by more may be several things
NEIGHBOURS = 6  # part of the object's side that two places are apart, at least
HOPELESS = 0.1  # evidence of a sketch: the mask itself will hardly have the ``PLAUSIBLE`` 0.2
FEW_CELLS = 16  # of a sketch that says little of a mask
WIDEST = 6  # cells that they need to be apart, at most


def sweep_places(
    sam: Sam,
    embedding: ImageEmbedding,
    prototypes: Mapping[int, Prototype],
    maps: Mapping[int, LocationMaps],
    *,
    max_places: int,
    weights: Weights,
    without: Collection[Part] = (),
    shifts: Mapping[int, Tensor] | None = None,
    boxes: Mapping[int, Tensor] | None = None,
) -> tuple[list[Candidate], bool]:
    """Segment every peak of the location maps, in one embedding and for all labels together.

    In place of the report's loop, which segments one object after the other for each label: an object is
    decoded once, not once a label; all three masks of a place (part, whole, more) are candidates, for which
    of them is the thing only the reference can say; no guidance and no refinement, which measured no better.

    Args:
        sam: the model.
        embedding: the test image.
        prototypes: by number, which becomes the finder of the candidates.
        maps: their location maps.
        max_places: bound on the places.
        weights: of the cues at first sight.
        without: ``masks`` leaves of a place's masks only the one with the best predicted IoU.
        shifts: tuned prompts of prototypes that have one, (C,) float each.
        boxes: where the thing at each cell lies, for prototypes of which that was learned, in pixels of the
            image, (h, w, 4) float each: SAM is given a box in place of a point.

    Returns:
        Candidates, which may overlap, and whether the bound ended the search.
    """
    side = embedding.grid_hw[0]
    worth = worth_drawing(prototypes, maps, weights)
    done = torch.zeros(embedding.grid_hw, dtype=torch.bool)
    found: list[Candidate] = []
    count = 0
    for row, column, finder in peaks(prototypes, maps, embedding.valid):
        if done[row, column]:
            continue
        if count == max_places:
            return found, True
        count += 1
        cell_boxes = (boxes or {}).get(finder)
        pointed = cell_boxes is None
        answer = sam.decode(
            embedding,
            points_xy=cell_centres_xy(torch.tensor([[[column, row]]]), embedding) if pointed else None,
            labels=torch.tensor([[POSITIVE]]) if pointed else None,
            boxes_xyxy=None if cell_boxes is None else cell_boxes[row, column][None],
            worth=worth,
            shift=(shifts or {}).get(finder),
        )
        here = candidates_of(answer, side=side, finder=finder)
        if "masks" in without:
            here = sorted(here, key=lambda one: one.iou)[-1:]
        found += here
        if here:
            done |= covered(here, prototypes[finder], maps[finder].likely, weights).cpu()
    return found, False


def peaks(
    prototypes: Mapping[int, Prototype], maps: Mapping[int, LocationMaps], valid: Tensor
) -> list[tuple[int, int, int]]:
    """Find the places of the location maps that are higher than what is around them.

    Args:
        prototypes: by number.
        maps: their location maps.
        valid: cells that show some of the image, (h, w) bool.

    Returns:
        (row, column, prototype) by falling height; each cell once, for the prototype whose map is highest:
        of several with the same map, the smallest, for a mask may be several of that one's things.
    """
    highest: dict[tuple[int, int], tuple[float, float, int]] = {}
    for number, both in maps.items():
        location = both.sharp
        radius = int(max(1, min(WIDEST, round(math.sqrt(prototypes[number].cells) / NEIGHBOURS))))
        top = max_pool2d(location[None], 2 * radius + 1, stride=1, padding=radius)[0]
        for row, column in ((location == top) & (location > PROMISING) & valid).nonzero().tolist():
            here = float(location[row, column]), -prototypes[number].cells, number
            highest[row, column] = max(highest.get((row, column), here), here)
    ordered = sorted(highest.items(), key=lambda item: -item[1][0])
    return [(row, column, number) for (row, column), (*_, number) in ordered]


def worth_drawing(
    prototypes: Mapping[int, Prototype], maps: Mapping[int, LocationMaps], weights: Weights
) -> Worth:
    """Say of sketched masks which might be a thing of any label, by place and size alone.

    Masks of a few cells always are, for a sketch says little of them, and drawing them costs little.

    Args:
        prototypes: by number.
        maps: their location maps.
        weights: of the cues at first sight.
    """
    likely = torch.stack([one.likely for one in maps.values()])
    usual = torch.tensor([max(prototypes[number].cells, LEAST_AREA) for number in maps]).log()

    def worth(sketch: Tensor, iou: Tensor) -> Tensor:
        masks, estimates = (sketch > 0).flatten(0, 1).float(), iou.flatten().clamp(0, 1).tolist()
        seen = [
            Candidate(logits, estimate, 1.0, mask, finder=0)
            for logits, estimate, mask in zip(sketch.flatten(0, 1), estimates, masks, strict=True)
        ]
        sizes = log_areas(seen, 1.0)[:, None] - usual  # (masks, prototypes)
        each = [one for one in seen for _ in maps]
        places = pooled(seen, likely).flatten()
        cues = cues_of(each, places, sizes.flatten(), just_like_it(len(each)))
        evidence = weights.evidence(cues)
        few = masks.flatten(1).sum(dim=1).cpu() < FEW_CELLS
        return (few | (evidence.view(len(seen), -1).amax(dim=1) >= HOPELESS)).view(iou.shape).to(iou.device)

    return worth


def covered(here: Sequence[Candidate], prototype: Prototype, location: Tensor, weights: Weights) -> Tensor:
    """Cells that need no look of their own, now that a place is segmented.

    Args:
        here: the masks of the place, at least one.
        prototype: for which it was segmented.
        location: that prototype's location map, (h, w) float.
        weights: of the cues at first sight.

    Returns:
        The cells of the best mask if it surely is the thing, and only one; (h, w) bool.
    """
    evidence = at_best(here, prototype.cells, location, weights)
    best = int(evidence.argmax())
    one = float(log_areas(here, prototype.cells)[best]) <= LARGER
    clear = min(here[best].iou, here[best].stability) >= CLEAR
    surely_one = float(evidence[best]) >= COVERS and one and clear
    return here[best].cells if surely_one else torch.zeros_like(here[best].cells)
