"""COCO's run lengths and back."""

import json

import numpy as np

from backend.evaluation.rle import area, box_xywh, decode, encode


def test_a_mask_survives_json() -> None:
    mask = np.zeros((3, 5), dtype=np.bool_)
    mask[1, 2:4] = True

    rle = encode(mask)

    assert (decode(json.loads(json.dumps(rle))) == mask).all()
    assert rle["size"] == [3, 5]
    assert (area(rle), box_xywh(rle)) == (2, [2, 1, 2, 1])
