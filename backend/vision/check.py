"""The semantic-similarity check: candidates to those that are the same kind of thing. Labels compete.

Twice: what is sure at first sight tells how large the things of this image are and how well they stand out
from its background; then all are judged by that.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.candidate import PART, Candidate
from backend.vision.colour import colour_histograms
from backend.vision.edges import Edges, edges_of
from backend.vision.evidence import (
    ENOUGH,
    LEAST_AREA,
    LEAST_SHARP,
    MOST_LEAD,
    MOST_SHARP,
    SURE,
    Cues,
    EvidenceWeights,
    Looks,
    Weights,
    at_best,
    confidence,
    cues_of,
    just_like_it,
    log_areas,
    pooled,
    strictly,
)
from backend.vision.layout import layouts_of
from backend.vision.layout import likeness as layout_likeness
from backend.vision.learned import NOTHING, Learned, Lesson
from backend.vision.parts import Part
from backend.vision.prototype import Look, Prototype
from backend.vision.sam import ImageEmbedding
from backend.vision.semantics import SemanticEncoder
from backend.vision.text_evidence import text_evidence
from backend.vision.views import View, tile_length

SAME = 0.9  # IoU of two masks that are one
PLAUSIBLE = 0.2  # evidence: with less, likeness cannot make an instance of it any more
COLOUR_KINSHIP = 0.3  # against a semantic cosine of 1
LAYOUT_KINSHIP = 0.7
ALIKE_BY_CHANCE = 0.2  # layouts of things that have nothing to do with each other
TEXT_KINSHIP = 0.3
EDGE = 2  # low-resolution pixels


@dataclass(frozen=True, eq=False)
class Exemplar:
    """A label, one prototype of it, and the number of the reference that it comes from."""

    label: str
    prototype: Prototype
    reference: int


@dataclass(frozen=True, eq=False)
class Claim:
    """A label's claim to a candidate.

    Attributes:
        label: who claims it.
        candidate: the mask.
        similarity: cosine with the label's reference: semantic, or SAM's own where nothing was checked.
        confidence: how sure it is that the candidate is a thing of the label, in [0, 1].
    """

    label: str
    candidate: Candidate
    similarity: float
    confidence: float


@dataclass(frozen=True, eq=False)
class Appearance:
    """What n candidates look like.

    Attributes:
        vectors: their unit semantic vectors, (n, D) float.
        colours: their colour histograms, (n, bins) float.
        edges: of their outlines.
        layouts: which colours lie where on them, (n, 3, h, w) float.
    """

    vectors: Tensor
    colours: Tensor
    edges: Edges
    layouts: Tensor


@dataclass(frozen=True, eq=False)
class Sight:
    """Candidates of one view with all that was measured of them.

    Attributes:
        candidates: n plausible ones, no two the same.
        owner: index of the exemplar that each resembles most, (n,) int.
        similarity: semantic cosine with that exemplar, (n,) float.
        log_area: how many times larger than its label's references each is, as a logarithm, (n,) float.
        cues: at first sight.
        shared: intersection over the smaller of each pair, (n, n) float.
        vectors: unit semantic vectors, (n, D) float; None where nothing was looked at.
    """

    candidates: tuple[Candidate, ...]
    owner: Tensor
    similarity: Tensor
    log_area: Tensor
    cues: Cues
    shared: Tensor
    vectors: Tensor | None = None

    def suppressed(self, evidence: Tensor, *, least: float) -> list[int]:
        """Keep the candidates with at least that evidence, best first; none is part of a better one."""
        kept: list[int] = []
        for i in evidence.argsort(descending=True, stable=True).tolist():
            if float(evidence[i]) < least:
                break
            if not kept or float(self.shared[i, kept].max()) <= PART:
                kept.append(i)
        return kept

    def accepted(self, evidence: Tensor) -> list[int]:
        """The candidates that are instances by that evidence, (n,) float; best first."""
        return self.suppressed(evidence, least=ENOUGH)

    def without_masks(self) -> "Sight":
        """The same figures, to be kept for many images."""
        return replace(self, candidates=())


def unchecked(labels: Sequence[str], similarities: Tensor, candidates: Sequence[Candidate]) -> list[Claim]:
    """Give every candidate of the loop to the label it was found for, on SAM's similarity alone.

    Args:
        labels: of n references.
        similarities: cosine of each cell with each reference's target, (n, h, w) float.
        candidates: of all labels.
    """
    claims = []
    for one in candidates:
        similarity = min(max(one.location(similarities[one.finder]), -1.0), 1.0)
        sure = (one.iou * one.stability * max(similarity, 0.0)) ** (1 / 3)
        claims.append(Claim(labels[one.finder], one, similarity, sure))
    return claims


def look(
    encoder: SemanticEncoder,
    exemplars: Sequence[Exemplar],
    maps: dict[int, Tensor],
    candidates: Sequence[Candidate],
    view: View,
    image: NDArray[np.uint8],
    embedding: ImageEmbedding,
    weights: Weights,
    *,
    every: bool = True,
    without: Collection[Part] = (),
) -> Sight | None:
    """Measure the candidates of one view.

    Args:
        encoder: the semantic encoder.
        exemplars: of all labels, whatever their scale: they compete.
        maps: location map, (h, w) float, of each exemplar that is searched for in this view, by its index.
        candidates: what the search found.
        view: where the image lies in the whole.
        image: the view's pixels, RGB, (H, W, 3) uint8.
        embedding: of the view.
        weights: of the cues at first sight.
        every: also what cannot be sure, and shares most of itself with what is sure: it is a part of that, or
            several. Its look costs as much as any, and next to none is an instance.
        without: without ``layout``, labels compete by meaning and colours alone.

    Returns:
        What was measured; None if no candidate is plausible.
    """
    plausible, shared = different(plausible_ones(candidates, exemplars, maps, view, embedding, weights))
    if not plausible:
        return None
    logits, shared, known = torch.stack([one.logits for one in plausible]), shared.cpu(), dict[int, Tensor]()
    colours, edges = colour_histograms(image, logits > 0, embedding), edges_of(image, logits, embedding)
    layouts = layouts_of(image, logits > 0, embedding)

    def sight(chosen: list[int]) -> Sight | None:
        new = [i for i in chosen if i not in known]
        if new:
            vectors = encoder.vectors(image, logits[new], embedding, masked=True).cpu()
            known.update(zip(new, vectors, strict=True))
        if not chosen:
            return None
        seen = Appearance(
            *(torch.stack([known[i] for i in chosen]), colours[chosen], edges.of(chosen), layouts[chosen])
        )
        some = [plausible[i] for i in chosen]
        return measured(*(encoder, exemplars, maps, some, seen, shared[chosen][:, chosen]), without=without)

    if every:
        return sight(list(range(len(plausible))))
    hopeful = fitting(plausible, exemplars, maps, weights, least=SURE)
    first = [i for i, hopes in enumerate(hopeful) if hopes]
    found = sight(first)
    sure = [] if found is None else surely(found, plausible, weights)
    apart = [i for i in range(len(plausible)) if not sure or float(shared[i, sure].max()) <= PART]
    chosen = sorted({*first, *apart})
    return found if len(chosen) == len(first) else sight(chosen)


def surely(sight: Sight, candidates: Sequence[Candidate], weights: Weights) -> list[int]:
    """Numbers of the candidates that are sure at first sight, among all that there are."""
    sure = sight.suppressed(weights.evidence(sight.cues), least=SURE)
    return [candidates.index(sight.candidates[i]) for i in sure]


def unlooked(
    exemplars: Sequence[Exemplar],
    maps: dict[int, Tensor],
    candidates: Sequence[Candidate],
    view: View,
    embedding: ImageEmbedding,
    weights: Weights,
) -> Sight | None:
    """Measure candidates by place and size alone, for the label each was found for; see ``look``."""
    plausible, shared = different(plausible_ones(candidates, exemplars, maps, view, embedding, weights))
    if not plausible:
        return None
    owner = torch.tensor([one.finder for one in plausible])
    places, (sizes, usual) = placed(plausible, maps, owner), sized(plausible, exemplars, maps, owner)
    return Sight(
        candidates=tuple(plausible),
        owner=owner,
        similarity=places.clamp(-1, 1),
        log_area=usual,
        cues=cues_of(plausible, places, sizes, just_like_it(len(plausible))),
        shared=shared.cpu(),
    )


def plausible_ones(
    candidates: Sequence[Candidate],
    exemplars: Sequence[Exemplar],
    maps: dict[int, Tensor],
    view: View,
    embedding: ImageEmbedding,
    weights: Weights,
) -> list[Candidate]:
    """Drop candidates that are cut by an inner edge, or can be no label's thing. Arguments as in ``look``."""
    whole = [one for one in candidates if not cut(one, view, embedding)]
    return [
        replace(one, logits=one.logits.clone())  # else it would keep its place's other masks, too
        for one, fits in zip(whole, fitting(whole, exemplars, maps, weights), strict=True)
        if fits
    ]


def cut(candidate: Candidate, view: View, embedding: ImageEmbedding) -> bool:
    """True if an edge of a view inside the image may cut the object: another view shows it whole."""
    if view.whole:
        return False
    height, width = embedding.shown_hw(candidate.mask.shape[0])
    mask = candidate.mask[:height, :width]
    strips = (mask[:EDGE], mask[-EDGE:], mask[:, :EDGE], mask[:, -EDGE:])
    return any(inner and bool(strip.any()) for inner, strip in zip(view.inner_edges, strips, strict=True))


def fitting(
    candidates: Sequence[Candidate],
    exemplars: Sequence[Exemplar],
    maps: dict[int, Tensor],
    weights: Weights,
    *,
    least: float = PLAUSIBLE,
) -> list[bool]:
    """Say which candidates might have that evidence as a thing of any label, by place and size alone."""
    if not candidates:
        return []
    evidence = [
        at_best(candidates, exemplars[index].prototype.cells, location, weights)
        for index, location in maps.items()
    ]
    return [bool(fits) for fits in torch.stack(evidence).amax(dim=0) >= least]


def different(candidates: Sequence[Candidate]) -> tuple[list[Candidate], Tensor]:
    """Drop masks that are another one again: a second place of a large object says nothing new.

    Returns:
        The candidates that stay, those with the greatest predicted IoU, and their intersections over the
        smaller, (n, n) float.
    """
    if not candidates:
        return [], torch.zeros(0, 0)
    masks = torch.stack([one.mask for one in candidates]).flatten(1).float()
    both, areas = masks @ masks.T, masks.sum(dim=1)
    iou = both / (areas[:, None] + areas[None] - both)
    kept: list[int] = []
    for i in sorted(range(len(candidates)), key=lambda i: -candidates[i].iou):
        if not kept or float(iou[i, kept].max()) <= SAME:
            kept.append(i)
    shared = both / torch.minimum(areas[:, None], areas[None])
    return [candidates[i] for i in kept], shared[kept][:, kept]


def measured(
    encoder: SemanticEncoder,
    exemplars: Sequence[Exemplar],
    maps: dict[int, Tensor],
    candidates: Sequence[Candidate],
    seen: Appearance,
    shared: Tensor,
    *,
    without: Collection[Part] = (),
) -> Sight | None:
    """Let the labels compete for the candidates, and collect the cues of each for the label it goes to.

    Args:
        encoder: reads the labels' names, if it can.
        exemplars: of all labels.
        maps: location maps of those that are searched for here, by index.
        candidates: n of them.
        seen: what they look like.
        shared: intersection over the smaller of each pair, (n, n) float.
        without: see ``look``.
    """
    closest = [closest_look(one.prototype, seen) for one in exemplars]
    each = [one.label for one in exemplars]
    cosine, *rest = torch.stack(closest).unbind(dim=1)  # (e, n) each
    likeness, colour, edge, sharpness, layout = (with_others(one, each) for one in rest)
    kinship = with_others(cosine, each) + COLOUR_KINSHIP * colour
    if "layout" not in without:
        kinship = kinship + LAYOUT_KINSHIP * (layout - ALIKE_BY_CHANCE).clamp_min(0)
    labels = sorted(set(each))
    names = text_evidence(encoder, seen.vectors, labels)
    if names is not None:
        kinship = kinship + TEXT_KINSHIP * torch.stack([names[:, labels.index(e.label)] for e in exemplars])
    owner = owners(kinship, each, maps)
    here = [i for i, index in enumerate(owner.tolist()) if index in maps]
    if not here:
        return None
    rows = torch.arange(len(candidates))
    places, (sizes, usual) = placed(candidates, maps, owner), sized(candidates, exemplars, maps, owner)
    looks = Looks(
        likeness=likeness[owner, rows],
        colour=colour[owner, rows],
        edge=edge[owner, rows],
        sharpness=sharpness[owner, rows],
        lead=leads(kinship, each, owner),
    )
    cues = cues_of(candidates, places, sizes, looks)
    chosen = torch.tensor(here)
    return Sight(
        candidates=tuple(candidates[i] for i in here),
        owner=owner[chosen],
        similarity=cosine[owner, rows][chosen],
        log_area=usual[chosen],
        cues=Cues(*cues.table[chosen].T),
        shared=shared[chosen][:, chosen],
        vectors=seen.vectors[chosen],
    )


def owners(kinship: Tensor, labels: Sequence[str], searched: Collection[int]) -> Tensor:
    """Say which exemplar each candidate belongs to: the closest of the label that is closest.

    Args:
        kinship: of e exemplars with n candidates, (e, n) float.
        labels: of the exemplars.
        searched: numbers of the exemplars that are searched for in this view; the label's others only count
            where none of its own is.

    Returns:
        Numbers of exemplars, (n,) int.
    """
    winners = [labels[index] for index in kinship.argmax(dim=0).tolist()]
    here = torch.tensor(
        [
            [number in searched and label == winner for winner in winners]
            for number, label in enumerate(labels)
        ]
    )
    return kinship.where(here | ~here.any(dim=0), -torch.inf).argmax(dim=0)


def owned_by(label: str, labels: Sequence[str], owner: Tensor) -> Tensor:
    """Say which candidates belong to a label, (n,) bool: those whose owner among all exemplars has it."""
    return torch.tensor([labels[index] == label for index in owner.tolist()], dtype=torch.bool)


def with_others(values: Tensor, labels: Sequence[str]) -> Tensor:
    """Let the other exemplars of its label vouch for each: the mean of its own value and the label's mean.

    Without this, a label would win by the mere number of its references: one of many is like anything.

    Args:
        values: of e exemplars for n candidates, (e, n) float.
        labels: of the exemplars.
    """
    means = {label: values[[one == label for one in labels]].mean(dim=0) for label in set(labels)}
    return (values + torch.stack([means[label] for label in labels])) / 2


def placed(candidates: Sequence[Candidate], maps: dict[int, Tensor], owner: Tensor) -> Tensor:
    """Mean of the owner's location map under each candidate, (n,) float; 0 where it has none."""
    places = torch.zeros(len(candidates))
    for index, location in maps.items():
        mine = (owner == index).nonzero()[:, 0]
        if len(mine):
            places[mine] = pooled([candidates[i] for i in mine.tolist()], location[None])[:, 0]
    return places


def sized(
    candidates: Sequence[Candidate], exemplars: Sequence[Exemplar], maps: Collection[int], owner: Tensor
) -> tuple[Tensor, Tensor]:
    """Logarithm of how many times larger each candidate is than the references of its label.

    Args:
        candidates: n of them.
        exemplars: of all labels.
        maps: numbers of those that are searched for here; they say how large a cell is.
        owner: index of the exemplar that each resembles most, (n,) int.

    Returns:
        Against the reference that is nearest in size, and against their geometric mean: one measure for all
        candidates of a label, whichever of its references each resembles; (n,) float each.
    """
    labels = [one.label for one in exemplars]
    scale = exemplars[min(maps)].prototype.scale
    cells = torch.tensor([max(cells_at(one.prototype, scale), LEAST_AREA) for one in exemplars])
    sizes = log_areas(candidates, 1.0) - cells.log()[:, None]  # (e, n)
    nearest, usual = torch.zeros(len(candidates)), torch.zeros(len(candidates))
    for label in {labels[index] for index in owner.tolist()}:
        mine = owned_by(label, labels, owner)
        own = sizes[[one == label for one in labels]][:, mine]
        nearest[mine] = own.gather(0, own.abs().argmin(dim=0, keepdim=True))[0]
        usual[mine] = own.mean(dim=0)
    return nearest, usual


def cells_at(prototype: Prototype, scale: int) -> float:
    """Area of the prototype's object, in cells of views of that scale."""
    return prototype.cells * (tile_length(1, prototype.scale) / tile_length(1, scale)) ** 2


def closest_look(prototype: Prototype, seen: Appearance) -> Tensor:
    """Compare candidates with the annotated object that each resembles most.

    Args:
        prototype: with one look per annotated object.
        seen: what n candidates look like.

    Returns:
        Rows of n: semantic cosine, likeness (1 where the prototype is weak: the check steps back), colour,
        likeness of the edge and logarithm of its sharpness, likeness of the layout; (6, n) float.
    """
    each = torch.stack([compared(one, seen) for one in prototype.looks])  # (l, 6, n)
    cosine, _, colour, *_ = each.unbind(dim=1)
    best = (cosine + COLOUR_KINSHIP * colour).argmax(dim=0)
    return each[best, :, torch.arange(len(best))].T


def compared(one: Look, seen: Appearance) -> Tensor:
    """Compare candidates with one annotated object, see ``closest_look``, (6, n) float."""
    cosine = (seen.vectors @ one.semantic.vector.cpu()).clamp(-1, 1)
    relative = torch.ones_like(cosine) if one.semantic.weak else one.semantic.relative(cosine).clamp(-1, 1.5)
    edge = seen.edges.likeness(one.edge).clamp(0, 1)
    sharpness = seen.edges.log_sharpness(one.edge).clamp(LEAST_SHARP, MOST_SHARP)
    layout = layout_likeness(seen.layouts, one.layout[None])[:, 0]
    return torch.stack([cosine, relative, seen.colours @ one.colours, edge, sharpness, layout])


def leads(kinship: Tensor, labels: Sequence[str], owner: Tensor) -> Tensor:
    """How far each candidate's label is ahead of the next, (n,) float up to ``MOST_LEAD``.

    Args:
        kinship: of e exemplars with n candidates, (e, n) float.
        labels: of the exemplars.
        owner: index of the exemplar that each candidate resembles most, (n,) int.
    """
    lead = torch.full(owner.shape, MOST_LEAD)
    for label in set(labels):
        others = torch.tensor([other != label for other in labels])
        mine = owned_by(label, labels, owner)
        if others.any() and mine.any():
            ahead = kinship.amax(dim=0) - kinship[others].amax(dim=0)
            lead[mine] = ahead[mine].clamp_max(MOST_LEAD)
    return lead


def judged(
    sights: Sequence[Sight],
    exemplars: Sequence[Exemplar],
    *,
    weights: EvidenceWeights,
    without: Collection[Part] = (),
    learned: Learned = NOTHING,
) -> list[tuple[Cues, Tensor]]:
    """Judge all candidates of an image twice.

    Args:
        sights: its views.
        exemplars: of all labels.
        weights: of the cues.
        without: without ``company``, what is seen first decides.
        learned: what decides about single labels in company, in place of the weights for all.

    Returns:
        For each view the cues that decide, and the evidence, (n,) float.
    """
    if "company" in without:
        return [(sight.cues, weights.first.evidence(sight.cues)) for sight in sights]
    labels = [one.label for one in exemplars]
    sure = surest(sights, labels, weights.first)
    cues = [in_company(sight, labels, sure) for sight in sights]
    lessons = {label: lesson.neutral(without) for label, lesson in learned.lessons.items()}
    return [
        (
            one,
            evidence_by_label(
                one, sight, [labels[index] for index in sight.owner.tolist()], weights, lessons
            ),
        )
        for one, sight in zip(cues, sights, strict=True)
    ]


def evidence_by_label(
    cues: Cues, sight: Sight, labels: Sequence[str], weights: EvidenceWeights, lessons: Mapping[str, Lesson]
) -> Tensor:
    """Weigh the cues of each candidate by what was learned about its label, else by the weights for all.

    Args:
        cues: of n candidates, in company.
        sight: with their vectors.
        labels: of each, n.
        weights: for labels that nothing was learned about.
        lessons: by label.

    Returns:
        (n,) float in [0, 1].
    """
    evidence = weights.second.evidence(cues)
    for label in lessons.keys() & set(labels):
        mine = torch.tensor([one == label for one in labels], dtype=torch.bool)
        evidence = evidence.where(~mine, lessons[label].evidence(cues, sight.vectors))
    return evidence


def surest(
    sights: Sequence[Sight], labels: Sequence[str], weights: Weights
) -> dict[str, list[tuple[float, float]]]:
    """Take the instances of an image that are sure at first sight.

    Args:
        sights: its views.
        labels: of the exemplars.
        weights: of the cues at first sight.

    Returns:
        Logarithm of the area, and location, of each, by label.
    """
    sure: dict[str, list[tuple[float, float]]] = {}
    for sight in sights:
        for i in sight.suppressed(weights.evidence(sight.cues), least=SURE):
            area = float(sight.log_area[i])
            sure.setdefault(labels[int(sight.owner[i])], []).append((area, float(sight.cues.location[i])))
    return sure


def in_company(sight: Sight, labels: Sequence[str], sure: dict[str, list[tuple[float, float]]]) -> Cues:
    """Cues of a view's candidates in the light of the image's surest instances.

    Args:
        sight: the view.
        labels: of the exemplars.
        sure: logarithm of the area, and location, of the surest instances of each label.
    """
    size, company = sight.cues.size.clone(), sight.cues.company.clone()
    for label, found in sure.items():
        mine = owned_by(label, labels, sight.owner)
        areas, places = torch.tensor(found).T
        if len(found) > 1:
            typical = areas.median() * len(found) / (len(found) + 1)  # the reference counts as one of them
            size[mine] = strictly(sight.log_area[mine] - typical)
        company[mine] = sight.cues.location[mine] - places.mean()
    return replace(sight.cues, size=size, company=company.clamp(-1, 0.5))


def claims_of(
    sight: Sight,
    exemplars: Sequence[Exemplar],
    evidence: Tensor,
    *,
    min_similarity: float | None,
) -> list[Claim]:
    """Decide which candidates are instances.

    Args:
        sight: one view.
        exemplars: of all labels.
        evidence: for each candidate, (n,) float.
        min_similarity: least semantic cosine for all labels, in place of the evidence; None: the evidence.
    """
    if min_similarity is not None:
        evidence = evidence.where(sight.similarity >= min_similarity, -1.0)
    kept = sight.suppressed(evidence, least=ENOUGH if min_similarity is None else 0.0)
    return [
        Claim(
            exemplars[int(sight.owner[i])].label,
            sight.candidates[i],
            float(sight.similarity[i]),
            confidence(float(evidence[i])),
        )
        for i in kept
    ]
