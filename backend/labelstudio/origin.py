"""Origin: which of our predictions an annotation was made from, and whether a person looked at it at all."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

OUR_VERSIONS = "oneshot-"  # all versions of our predictions begin with it
_PREDICTED = "prediction"  # origin of a region that was predicted; of one that was changed since it begins so


def parent_of(
    annotation: Mapping[str, Any], predictions: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Give the prediction that an annotation was made from; None for one of another model, or for none.

    Label Studio links the two, but forgets it where a draft was left and taken up again later. Regions keep
    their ids, and that they were predicted: without a link, it is the prediction of ours that shares most of
    those, of equals the newest.

    Args:
        annotation: as Label Studio gives it.
        predictions: all of its task.
    """
    ours = [each for each in predictions if str(each.get("model_version") or "").startswith(OUR_VERSIONS)]
    linked = annotation.get("parent_prediction")
    if linked is not None:
        return next((each for each in ours if each.get("id") == linked), None)
    regions = objects(annotation.get("result"))
    left = _ids(each for each in regions if str(each.get("origin") or "").startswith(_PREDICTED))
    shared = {
        len(left & _ids(objects(each.get("result")))): each
        for each in sorted(ours, key=lambda each: int(each.get("id") or 0))
    }
    shared.pop(0, None)
    return shared[max(shared)] if shared else None


def merely_converted(annotation: Mapping[str, Any]) -> bool:
    """Whether predictions were made annotations in bulk, and nobody looked at this one.

    Label Studio's "Create Annotations From Predictions" notes no time that it took, as its editor does, and
    changes no region. A star says that somebody has looked since.
    """
    return (
        annotation.get("parent_prediction") is not None
        and annotation.get("lead_time") is None
        and not annotation.get("ground_truth")
        and all(each.get("origin") in (None, _PREDICTED) for each in objects(annotation.get("result")))
    )


def objects(values: object) -> list[Mapping[str, Any]]:
    """Give the objects in a JSON list; nothing of anything else."""
    return [each for each in values if isinstance(each, Mapping)] if isinstance(values, list) else []


def _ids(regions: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(str(each["id"]) for each in regions if each.get("id"))
