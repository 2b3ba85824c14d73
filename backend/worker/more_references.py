"""References beside the one shots: of reviewed images, as different from each other as can be."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from backend.labelstudio.errors import FetchRefusedError, RegionError, RleError
from backend.labelstudio.label_config import Control, all_labels
from backend.labelstudio.references import Annotation, PickedReference
from backend.labelstudio.regions import drawn_regions, with_one_label
from backend.labelstudio.task_data import image_address
from backend.vision.coverage import chosen
from backend.vision.reference import Reference
from backend.worker.evidence import Evidence, drawn_things

_TRIED = 4  # reviews for each reference that is wanted: the most recent ones
Build = Callable[[PickedReference], Reference | None]


def more_references(
    one_shots: Sequence[PickedReference],
    evidence: Evidence,
    controls: Sequence[Control],
    build: Build,
    limit: int,
    *,
    starred: Sequence[PickedReference] = (),
) -> list[PickedReference]:
    """Choose references among the reviews, so that each label has at most *limit* with its one shot.

    Ground-truth stars come first, then what looks least like the references that are kept already.

    Args:
        one_shots: the reference of each label.
        evidence: the reviews.
        controls: of the label config.
        build: turns what was picked into a reference; None where it cannot serve.
        limit: of the references of one label.
        starred: further references that are there already.
    """
    if limit <= 1:
        return []
    there = Counter(each.label for each in starred)
    taken = {each.annotation_id for each in starred}
    tried = _tried(evidence, limit)
    found = []
    for one_shot in one_shots:
        offered = [
            each
            for review in tried
            if review.id not in taken
            for each in of_review(review, one_shot, controls)
        ]
        stars = {each.id for each in tried if each.ground_truth}
        left = limit - there[one_shot.label]
        found += _chosen(one_shot, offered, stars, build, left) if left > 1 else []
    return found


def named(
    names: Sequence[tuple[str, int]],
    one_shots: Sequence[PickedReference],
    evidence: Evidence,
    controls: Sequence[Control],
) -> list[PickedReference]:
    """Find the references again that were chosen once: label and annotation of each."""
    by_label = {each.label: each for each in one_shots}
    by_id = {each.id: each for each in evidence.annotations}
    return [
        reference
        for label, annotation_id in names
        if label in by_label and annotation_id in by_id
        for reference in of_review(by_id[annotation_id], by_label[label], controls)
    ]


def of_review(
    review: Annotation, one_shot: PickedReference, controls: Sequence[Control]
) -> Iterator[PickedReference]:
    """Give what a review shows of the one shot's label as a reference; nothing where it cannot serve.

    Of a list of images the first one with the label counts.
    """
    control = one_shot.control
    if review.id == one_shot.annotation_id:
        return
    try:
        item = _first_item(review, one_shot, controls)
        uri = image_address(review.task_data, control.key_of(item))
        regions = drawn_things(review, controls, (control.to_name, item))
        drawn = [(each, each.mask()) for each in regions if one_shot.label in each.labels]
    except (RegionError, RleError, FetchRefusedError):
        return  # told where it is learned from
    things = [(each, mask) for each, mask in drawn if mask.any()]
    sizes = {mask.shape for _, mask in things}
    if len(sizes) == 1:
        height, width = sizes.pop()
        yield PickedReference(
            *(one_shot.label, review.task_id, review.id, uri, (height, width)),
            region_ids=tuple(each.id for each, _ in things),
            masks=tuple(mask for _, mask in things),
            control=control,
            surrounding=tuple(each.control.surrounds for each, _ in things),
            item=item,
        )


def _first_item(review: Annotation, one_shot: PickedReference, controls: Sequence[Control]) -> int | None:
    """Give the number of the first image with the label, of those that the one shot's Image shows."""
    to_name, label = one_shot.control.to_name, one_shot.label
    drawn = drawn_regions(review.result, controls, predicted=True)
    on_it = (
        each
        for each in with_one_label(drawn, all_labels(controls, review.task_data))
        if each.control.to_name == to_name and label in each.labels
    )
    return next((each.item for each in on_it), 0 if one_shot.control.image_list else None)


def _tried(evidence: Evidence, limit: int) -> list[Annotation]:
    """Give the reviews that are looked at: those with a star, and the most recent others."""
    stars = [each for each in evidence.annotations if each.ground_truth][: limit - 1]
    others = [each for each in evidence.annotations if not each.ground_truth]
    return [*stars, *others[-_TRIED * limit :]]


def _chosen(
    one_shot: PickedReference,
    offered: Sequence[PickedReference],
    stars: set[int],
    build: Build,
    limit: int,
) -> list[PickedReference]:
    """Choose among what is offered of one label."""
    first = build(one_shot)
    built = [(each, reference) for each in offered if (reference := build(each)) is not None]
    if first is None or not built:
        return []
    starred = [number for number, (each, _) in enumerate(built, 1) if each.annotation_id in stars]
    spread = chosen([first, *(reference for _, reference in built)], limit)
    numbers = dict.fromkeys([*starred, *(number for number in spread if number)])
    return [built[number - 1][0] for number in sorted(list(numbers)[: limit - 1])]
