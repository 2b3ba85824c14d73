"""One annotated mask in, every instance of the thing out."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.box_regression import BoxRegression, looks_of
from backend.vision.by_boxes import by_boxes
from backend.vision.candidate import Candidate, distinct
from backend.vision.check import Claim, Exemplar, Sight, claims_of, judged, look, unchecked, unlooked
from backend.vision.clock import Clock, StageSeconds
from backend.vision.drawing import object_window
from backend.vision.evidence import ENOUGH, FITTED, EvidenceWeights
from backend.vision.guidance import GuidanceMode
from backend.vision.inset import inset
from backend.vision.instance import Instance, without_repeats
from backend.vision.learned import NOTHING, Learned
from backend.vision.location_map import LocationMaps, mean_maps
from backend.vision.parts import Part
from backend.vision.places import sweep_places
from backend.vision.reduction import Reduction
from backend.vision.reference import Reference
from backend.vision.refine import redrawn
from backend.vision.rim import Pixels, colours_of
from backend.vision.sam import ImageEmbedding, Sam
from backend.vision.search import search_instances
from backend.vision.semantics import SemanticEncoder
from backend.vision.similarity import similarity_map
from backend.vision.views import MAX_TILES, View, views


@dataclass(frozen=True)
class Models:
    """The two networks of the core.

    Attributes:
        sam: finds and segments.
        semantic: tells whether what was found is the same kind of thing.
    """

    sam: Sam
    semantic: SemanticEncoder


@dataclass(frozen=True)
class SearchOptions:
    """How to search; the defaults are what measures best.

    Attributes:
        search: ``loop`` as the report has it, label by label; ``sweep`` looks for all labels at once.
        guidance: how the target guides the first prediction of the loop.
        min_similarity: least semantic cosine of an instance; None: follows from each reference.
        max_instances: bound on the places that are looked at in an image or tile; what hits it is told.
        max_tiles: bound on the tiles of an image with small objects.
        semantic_check: off, every candidate of the search is an instance.
        fine_tuned: predict as PerSAM-F does, with the mask weights fitted on the reference.
        weights: how much each cue of the check counts.
        without: parts of the search that are left out, to see what they are worth.
    """

    search: Literal["loop", "sweep"] = "sweep"
    guidance: GuidanceMode = "hf"
    min_similarity: float | None = None
    max_instances: int = 300
    max_tiles: int = MAX_TILES
    semantic_check: bool = True
    fine_tuned: bool = False
    weights: EvidenceWeights = FITTED
    without: tuple[Part, ...] = ()

    @property
    def counting(self) -> EvidenceWeights:
        """The weights without the cues that are left out."""
        return self.weights.neutral(self.without)


@dataclass(frozen=True)
class Segmentation:
    """What was found in one image.

    Attributes:
        instances: best first; empty if nothing was found.
        seconds: what it took.
        limits: bounds that ended the search early, for a person to read.
        missed: how many things may have been missed: the evidence of all that was rejected, added up.
    """

    instances: tuple[Instance, ...]
    seconds: StageSeconds
    limits: tuple[str, ...] = ()
    missed: float = 0.0


@dataclass(frozen=True, eq=False)
class Seen:
    """One view of the test image.

    Attributes:
        view: where it lies in the image.
        embedding: of the view.
        sight: its candidates; None if there is none.
        limited: a bound ended the search.
    """

    view: View
    embedding: ImageEmbedding
    sight: Sight | None
    limited: bool


@dataclass(frozen=True, eq=False)
class Survey:
    """All that was found and measured in an image, before anything is decided.

    Attributes:
        exemplars: prototypes of all references.
        seen: the views.
        clock: what it took.
        reduction: how the pixels that were searched lie in the image.
        image: these pixels, RGB, (H, W, 3) uint8.
    """

    exemplars: tuple[Exemplar, ...]
    seen: tuple[Seen, ...]
    clock: Clock
    reduction: Reduction
    image: NDArray[np.uint8]


def find_instances(
    models: Models,
    references: Sequence[Reference],
    image: NDArray[np.uint8],
    *,
    options: SearchOptions = SearchOptions(),
    embedding: ImageEmbedding | None = None,
    learned: Learned = NOTHING,
    size_hw: tuple[int, int] | None = None,
) -> Segmentation:
    """Find every object that looks like one of the references. Labels compete.

    Args:
        models: the networks.
        references: one or more per label.
        image: the test image, RGB, (H, W, 3) uint8.
        options: how to search.
        embedding: of *image*, where the caller has it.
        learned: what reviewed images taught about the labels; the bare loop heeds it not.
        size_hw: of the image in its own pixels, in which masks are given, where *image* was decoded at
            reduced size; None: it was not.
    """
    if options.search == "loop" and not options.semantic_check:
        return loop_alone(
            models, references, image, options, embedding, Reduction.of(image.shape[:2], size_hw)
        )
    every = bool(learned.lessons)  # lessons may think more of any
    found = survey(
        *(models, references, image),
        options=options,
        embedding=embedding,
        learned=learned,
        size_hw=size_hw,
        every=every,
    )
    return decided(models, found, options=options, learned=learned)


def decided(
    models: Models, found: Survey, *, options: SearchOptions = SearchOptions(), learned: Learned = NOTHING
) -> Segmentation:
    """Decide which candidates of an image are instances. Arguments as in ``find_instances``."""
    with found.clock.stage("check"):
        weighed_views = weighed(found, options, learned)
        instances = without_repeats(
            instance(models.sam, seen.view, seen.embedding, claim, found.reduction)
            for seen, sight, evidence in weighed_views
            for claim in finished_claims(models.sam, found, seen, sight, evidence, options, learned)
        )
        missed = sum(rejected(sight, evidence) for _, sight, evidence in weighed_views)
    return Segmentation(instances, found.clock.seconds, tuple(limits(found.seen, options)), missed)


def weighed(found: Survey, options: SearchOptions, learned: Learned) -> list[tuple[Seen, Sight, Tensor]]:
    """The views in which something was found, with the evidence of their candidates, (n,) float."""
    sighted = [(one, one.sight) for one in found.seen if one.sight is not None]
    verdicts = judged(
        [sight for _, sight in sighted],
        found.exemplars,
        weights=options.counting,
        without=options.without,
        learned=learned,
    )
    return [(one, sight, each) for (one, sight), (_, each) in zip(sighted, verdicts, strict=True)]


def finished_claims(
    sam: Sam,
    found: Survey,
    seen: Seen,
    sight: Sight,
    evidence: Tensor,
    options: SearchOptions,
    learned: Learned,
) -> Iterator[Claim]:
    """The claims of one view that are instances, with outlines as their labels' lessons want them.

    Args:
        sam: the model.
        found: the image's survey.
        seen: the view.
        sight: what was measured of its candidates.
        evidence: of them, (n,) float.
        options: how to search.
        learned: the lessons.
    """
    outlines = learned.outlines()
    colours = colours_of(seen.view.cut(found.image), seen.embedding) if learned.edges() else None
    for claim in claims_of(sight, found.exemplars, evidence, min_similarity=options.min_similarity):
        yield finished(sam, seen.embedding, claim, learned, outlines, colours)


def rejected(sight: Sight, evidence: Tensor) -> float:
    """Add up the evidence (n,) of the candidates that are no instances, nor parts of what is surer."""
    distinct_ones = evidence[sight.suppressed(evidence, least=0.0)]
    return float(distinct_ones[distinct_ones < ENOUGH].sum())


def survey(
    models: Models,
    references: Sequence[Reference],
    image: NDArray[np.uint8],
    *,
    options: SearchOptions = SearchOptions(),
    embedding: ImageEmbedding | None = None,
    learned: Learned = NOTHING,
    size_hw: tuple[int, int] | None = None,
    every: bool = True,
    step: Callable[[], object] = lambda: None,
) -> Survey:
    """Find and measure candidates, and decide nothing. Arguments as in ``find_instances`` and ``look``.

    Of what was learned only the prompts count here. After each view *step* is called.
    """
    clock, reduction = Clock(), Reduction.of(image.shape[:2], size_hw)
    learned.fits(models.sam.channels)
    exemplars = exemplars_of(references, options)
    seen = []
    for one in looked(models, references, exemplars, image, options, embedding, clock, learned, every=every):
        seen.append(one)
        step()
    return Survey(tuple(exemplars), tuple(seen), clock, reduction, image)


def exemplars_of(references: Sequence[Reference], options: SearchOptions) -> list[Exemplar]:
    """Prototypes of all references: of the whole image for the loop, of tiles where objects are small."""
    closest = options.search == "sweep" and "tiles" not in options.without
    return [
        Exemplar(reference.label, prototype, number)
        for number, reference in enumerate(references)
        for prototype in (reference.closest if closest else (reference.whole,))
    ]


def looked(
    models: Models,
    references: Sequence[Reference],
    exemplars: Sequence[Exemplar],
    image: NDArray[np.uint8],
    options: SearchOptions,
    embedding: ImageEmbedding | None,
    clock: Clock,
    learned: Learned = NOTHING,
    *,
    every: bool = True,
) -> Iterator[Seen]:
    """Search the image view by view, and measure what was found.

    Args:
        models: the networks.
        references: one or more per label.
        exemplars: all prototypes that take part.
        image: the test image, RGB, (H, W, 3) uint8.
        options: how to search.
        embedding: of *image*, where the caller has it.
        clock: told how long each stage takes.
        learned: the labels' tuned prompts.
        every: see ``look``.
    """
    height, width = image.shape[:2]
    weights = options.counting.first
    prompts, regressions = learned.prompts(), learned.boxes()
    shifts = {i: prompts[one.label] for i, one in enumerate(exemplars) if one.label in prompts}
    for scale in sorted({one.prototype.scale for one in exemplars}):
        here = [index for index, one in enumerate(exemplars) if one.prototype.scale == scale]
        for view, window, shown in encoded(
            models.sam, image, views((height, width), scale), embedding, clock
        ):
            with clock.stage("search"):
                dense = models.semantic.dense(window, shown)
                maps = maps_of({i: exemplars[i] for i in here}, shown, dense, options.without)
                boxes = boxes_of({i: exemplars[i] for i in here}, shown, dense, regressions)
                candidates, limited = searched(
                    *(models.sam, shown, references, exemplars, maps, options), shifts=shifts, boxes=boxes
                )
            with clock.stage("check"):
                likely = {i: both.likely for i, both in maps.items()}
                if options.semantic_check:
                    sight = look(
                        *(models.semantic, exemplars, likely, candidates, view, window, shown, weights),
                        every=every,
                        without=options.without,
                    )
                else:
                    sight = unlooked(exemplars, likely, candidates, view, shown, weights)
            yield Seen(view, shown, sight, limited)


def encoded(
    sam: Sam,
    image: NDArray[np.uint8],
    shown: Sequence[View],
    embedding: ImageEmbedding | None,
    clock: Clock,
) -> Iterator[tuple[View, NDArray[np.uint8], ImageEmbedding]]:
    """Views of one size with their pixels and embeddings, as many at a time as SAM encodes together."""
    for start in range(0, len(shown), sam.images_per_pass):
        together = shown[start : start + sam.images_per_pass]
        windows = [view.cut(image) for view in together]
        with clock.stage("encode"):
            if embedding and together[0].whole:
                embeddings = [embedding]
            else:
                embeddings = sam.embed_together(windows) if len(windows) > 1 else [sam.embed(windows[0])]
        yield from zip(together, windows, embeddings, strict=True)


def maps_of(
    exemplars: Mapping[int, Exemplar],
    embedding: ImageEmbedding,
    dense: Tensor,
    without: Collection[Part] = (),
) -> dict[int, LocationMaps]:
    """Location maps of one view; several exemplars of a label share the mean of theirs.

    Args:
        exemplars: those that are searched for in the view, by number.
        embedding: of the view.
        dense: the semantic encoder's map, (D, h, w) float.
        without: parts that are left out.
    """
    own = {
        number: one.prototype.location.maps(embedding.features, dense, embedding.valid, without=without)
        for number, one in exemplars.items()
    }
    shared = {
        label: mean_maps([own[number] for number, one in exemplars.items() if one.label == label])
        for label in {one.label for one in exemplars.values()}
    }
    return {number: shared[one.label] for number, one in exemplars.items()}


def boxes_of(
    exemplars: Mapping[int, Exemplar],
    embedding: ImageEmbedding,
    dense: Tensor,
    regressions: Mapping[str, BoxRegression],
) -> dict[int, Tensor]:
    """Boxes of the cells of one view, (h, w, 4) float, for the exemplars whose label has learned them.

    Arguments as in ``maps_of``, and what was learned, by label.
    """
    labels = regressions.keys() & {one.label for one in exemplars.values()}
    if not labels:
        return {}
    looks = looks_of(embedding, dense)
    by_label = {label: regressions[label].boxes_xyxy(looks, embedding) for label in labels}
    return {number: by_label[one.label] for number, one in exemplars.items() if one.label in labels}


def searched(
    sam: Sam,
    embedding: ImageEmbedding,
    references: Sequence[Reference],
    exemplars: Sequence[Exemplar],
    maps: dict[int, LocationMaps],
    options: SearchOptions,
    *,
    shifts: Mapping[int, Tensor] | None = None,
    boxes: Mapping[int, Tensor] | None = None,
) -> tuple[list[Candidate], bool]:
    """Search one view for all exemplars that *maps* has; candidates, and whether a bound ended it.

    The sweep is prompted with *shifts* besides, by exemplar, (C,) float each, and with the *boxes* of cells
    in place of their middles, (h, w, 4) float each.
    """
    if options.search == "sweep":
        return sweep_places(
            *(sam, embedding, {index: exemplars[index].prototype for index in maps}, maps),
            max_places=options.max_instances,
            weights=options.counting.first,
            without=options.without,
            shifts=shifts,
            boxes=boxes,
        )
    found = [looped(sam, embedding, references[exemplars[i].reference], i, options) for i in maps]
    return [one for some in found for one in some], any(len(some) >= options.max_instances for some in found)


def looped(
    sam: Sam, embedding: ImageEmbedding, reference: Reference, finder: int, options: SearchOptions
) -> list[Candidate]:
    """Search one image by the report's loop for one reference."""
    return search_instances(
        *(sam, embedding, reference),
        finder=finder,
        guidance=options.guidance,
        max_instances=options.max_instances,
        mask_weights=reference.mask_weights if options.fine_tuned else None,
    )


def loop_alone(
    models: Models,
    references: Sequence[Reference],
    image: NDArray[np.uint8],
    options: SearchOptions,
    embedding: ImageEmbedding | None,
    reduction: Reduction,
) -> Segmentation:
    """The report's loop with nothing after it. Arguments as in ``find_instances``."""
    clock = Clock()
    with clock.stage("encode"):
        embedding = embedding or models.sam.embed(image)
    with clock.stage("search"):
        maps = [similarity_map(embedding.features, one.target, embedding.valid) for one in references]
        candidates = [
            candidate
            for finder, reference in enumerate(references)
            for candidate in looped(models.sam, embedding, reference, finder, options)
        ]
        claims = unchecked([one.label for one in references], torch.stack(maps), candidates)
        masks = [claim.candidate.mask for claim in claims]
        kept = distinct(torch.stack(masks), [claim.confidence for claim in claims]) if masks else []
        height, width = image.shape[:2]
        whole = View(0, 0, (height, width), (height, width))
        instances = tuple(instance(models.sam, whole, embedding, claims[i], reduction) for i in kept)
    return Segmentation(instances, clock.seconds)


def outlined(
    sam: Sam, embedding: ImageEmbedding, candidate: Candidate, shift: Tensor | None = None
) -> Candidate:
    """The candidate with its outline drawn once more, by a tuned prompt (C,) or unless it is sure already."""
    if candidate.sure and shift is None:
        return candidate
    return replace(candidate, logits=redrawn(sam, embedding, candidate.logits, shift=shift))


def finished(
    sam: Sam,
    embedding: ImageEmbedding,
    claim: Claim,
    learned: Learned,
    outlines: Mapping[str, Tensor],
    colours: Pixels | None,
) -> Claim:
    """The claim with its outline as the label's lesson wants it: drawn once more or not, and moved.

    Args:
        sam: the model.
        embedding: of the view.
        claim: what is an instance.
        learned: the lessons.
        outlines: tuned prompts, by label.
        colours: see ``colours_of``; None where no edge was learned.
    """
    drawn = claim.candidate
    if learned.redraws(claim.label):
        drawn = outlined(sam, embedding, drawn, outlines.get(claim.label))
    if by := learned.inset(claim.label):
        drawn = replace(drawn, logits=inset(drawn.logits, by, embedding))
    edges = learned.edges().get(claim.label)
    if edges is not None and colours is not None:
        others = partial(by_boxes, sam, embedding)
        drawn = replace(drawn, logits=edges.drawn(drawn.logits, others, colours))
    return claim if drawn is claim.candidate else replace(claim, candidate=drawn)


def instance(sam: Sam, view: View, embedding: ImageEmbedding, claim: Claim, reduction: Reduction) -> Instance:
    """Bring a claim to the size and the frame of the image in its own pixels."""
    drawn = object_window(sam, claim.candidate.logits, embedding, times=reduction.times)
    window = reduction.window(drawn, view.top, view.left)
    return Instance(claim.label, window, claim.confidence, claim.similarity)


def limits(seen: Sequence[Seen], options: SearchOptions) -> Iterator[str]:
    """Say which bounds ended the search early."""
    if any(one.limited for one in seen):
        yield f"the search stopped after {options.max_instances} places (ONESHOT_MAX_INSTANCES)"
