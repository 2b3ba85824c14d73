"""Reviewed masks as COCO and CSV, read again by pycocotools and the csv module."""

import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.evaluation.reviewed_masks import coco_document, csv_document, reviewed_image
from backend.evaluation.reviews import Reviews
from backend.evaluation.rle import Rle, decode
from backend.labelstudio.errors import ImageRefusedError, ImageUnavailableError
from backend.labelstudio.label_config import Control
from backend.labelstudio.regions import ScoredMask, prediction
from backend.labelstudio.review import Review, compare

SIZE = (4, 10)
CONTROL = Control("brush", "photo", "image", ("Coin", "Nut, M3"))
ADDRESS = "/data/upload/1/a,b.png"


def box(left: int, right: int) -> NDArray[np.bool_]:
    """Whole columns."""
    mask = np.zeros(SIZE, bool)
    mask[:, left:right] = True
    return mask


def regions(*instances: tuple[str, NDArray[np.bool_]]) -> tuple[dict[str, Any], ...]:
    """Regions of a prediction, with ids by their columns."""
    scored = [ScoredMask(label, mask, 0.5) for label, mask in instances]
    result = prediction(1, "v", dict.fromkeys(CONTROL.labels, CONTROL), SIZE, scored)["result"]
    return tuple({**each, "id": f"region-{number}"} for number, each in enumerate(result))


def review(*submitted: dict[str, Any], annotation_id: int = 3, ground_truth: bool = False) -> Review:
    """A review of a prediction of one coin."""
    predicted = regions(("Coin", box(0, 4)))
    return Review(7, {"image": ADDRESS}, annotation_id, 2, "oneshot-v", predicted, submitted, ground_truth)


def no_size(_address: str, _task_id: int) -> tuple[int, int]:
    raise AssertionError("the regions tell the size")


def test_coco_holds_every_submitted_mask_and_no_other() -> None:
    """One coin was kept, a nut added; an image without any is there, too."""
    submitted = (*regions(("Coin", box(0, 4)), ("Nut, M3", box(5, 9))),)
    kept = review(*submitted)
    bare = Review(8, {"image": "bare.png"}, 4, 5, "oneshot-v", (), ())
    images = [
        reviewed_image(kept, compare(kept, [CONTROL]), [CONTROL], no_size),
        reviewed_image(bare, [], [CONTROL], lambda address, task: (len(address), task)),
    ]

    document = json.loads(coco_document(images, CONTROL.labels, description="coins"))

    assert document["images"] == [
        {"id": 7, "file_name": ADDRESS, "width": 10, "height": 4, "task": 7, "annotation": 3},
        {"id": 8, "file_name": "bare.png", "width": 8, "height": 8, "task": 8, "annotation": 4},
    ]
    assert document["categories"] == [{"id": 1, "name": "Coin"}, {"id": 2, "name": "Nut, M3"}]
    coin, nut = document["annotations"]
    assert (coin["id"], coin["image_id"], coin["category_id"], coin["outcome"], coin["iou"]) == (
        1,
        7,
        1,
        "kept",
        1,
    )
    assert (nut["id"], nut["category_id"], nut["outcome"], nut["iou"]) == (2, 2, "added", None)
    assert (nut["bbox"], nut["area"], nut["iscrowd"]) == ([5, 0, 4, 4], 16, 0)
    assert np.array_equal(decode(nut["segmentation"]), box(5, 9))


def test_the_images_of_a_list_are_exported_each_with_its_own_masks() -> None:
    """The second has none, and its size is asked for; the third lacks an address."""
    control = Control("brush", "photo", "image", CONTROL.labels, image_list=True)
    coin, nut = regions(("Coin", box(0, 4)), ("Nut, M3", box(5, 9)))
    listed = Review(
        *(7, {"image": ["/1.png", "/2.png", None, "/4.png"]}, 3, 2, "oneshot-v"),
        predicted=(coin,),
        submitted=(coin, nut | {"item_index": 3}),
    )
    reviews = Reviews([control], size_of=lambda address, task: (len(address), task))

    reviews.take([listed])

    assert [(each.address, each.size_hw, [mask.label for mask in each.masks]) for each in reviews.images] == [
        ("/1.png", SIZE, ["Coin"]),
        ("/2.png", (6, 7), []),
        ("/4.png", SIZE, ["Nut, M3"]),
    ]


def test_csv_holds_a_line_for_each_mask() -> None:
    """Commas in labels and addresses are quoted."""
    redrawn = review(
        {**regions(("Coin", box(0, 3)))[0], "id": "region-0"}, *regions(("Nut, M3", box(5, 9)))[:0]
    )
    image = reviewed_image(redrawn, compare(redrawn, [CONTROL]), [CONTROL], no_size)

    (line,) = csv.DictReader(io.StringIO(csv_document([image]).decode()))

    assert (line["task"], line["annotation"], line["image"], line["label"]) == ("7", "3", ADDRESS, "Coin")
    assert (line["outcome"], line["iou"], line["area"]) == ("redrawn", "0.75", "12")
    assert [line[name] for name in ("x", "y", "w", "h")] == ["0", "0", "3", "4"]
    size = [int(line["height"]), int(line["width"])]
    assert np.array_equal(decode(Rle(size=size, counts=line["rle"])), box(0, 3))


@pytest.mark.parametrize(("starred", "exported"), [((), 4), ((3,), 3)])
def test_of_several_reviews_of_a_task_the_last_is_exported_or_the_starred(
    starred: tuple[int, ...], exported: int
) -> None:
    """All of them count."""
    reviews = Reviews([CONTROL], size_of=no_size)

    reviews.take([review(annotation_id=each, ground_truth=each in starred) for each in (3, 4)])

    assert [image.annotation_id for image in reviews.images] == [exported]
    assert [each.reviewed for each in reviews.agreement().generations] == [2]


BACK = Control("scribble", "back", "behind", ("Coin",))


def on_back(*columns: int) -> dict[str, Any]:
    """A region on the other image, which is as wide as the first is high."""
    mask = np.zeros(SIZE[::-1], bool)
    mask[:, list(columns)] = True
    (region,) = prediction(1, "v", {"Coin": BACK}, SIZE[::-1], [ScoredMask("Coin", mask, 0.5)])["result"]
    return {**region, "id": "region-on-back"}


def two_images(task_id: int, *submitted: dict[str, Any], **addresses: str) -> Review:
    return Review(task_id, addresses, 10 + task_id, 2, "oneshot-v", (), submitted)


def test_each_image_of_a_task_is_exported_with_its_own_masks_and_size() -> None:
    """The first has the id of its task; an image that a task lacks is none, one without a mask is one."""
    reviews = Reviews([CONTROL, BACK], size_of=lambda address, _: (len(address), 3))
    coin = regions(("Coin", box(5, 9)))[0]
    reviews.take([two_images(7, on_back(1), coin, image="a.png", behind="b.png")])
    reviews.take([two_images(9, coin, image="c.png")])
    reviews.take([two_images(8, on_back(2), image="dd.png", behind="e.png")])

    document = json.loads(coco_document(reviews.images, ["Coin"], description="two"))

    assert [
        tuple(each[name] for name in ("id", "task", "file_name", "height", "width"))
        for each in document["images"]
    ] == [
        (7, 7, "a.png", 4, 10),
        (10, 7, "b.png", 10, 4),
        (9, 9, "c.png", 4, 10),
        (8, 8, "dd.png", 6, 3),
        (11, 8, "e.png", 10, 4),
    ]
    assert [(each["image_id"], each["bbox"]) for each in document["annotations"]] == [
        (7, [5, 0, 4, 4]),
        (10, [1, 0, 1, 10]),
        (9, [5, 0, 4, 4]),
        (11, [2, 0, 1, 10]),
    ]
    assert [line.split(",")[2] for line in csv_document(reviews.images).decode().splitlines()[1:]] == [
        *("a.png", "b.png", "c.png", "e.png")
    ]


def test_an_image_that_cannot_be_measured_costs_no_other_of_the_task() -> None:
    def size_of(_address: str, _task_id: int) -> tuple[int, int]:
        raise ImageRefusedError("broken")

    reviews = Reviews([CONTROL, BACK], size_of=size_of)

    reviews.take([two_images(7, on_back(1), image="a.png", behind="b.png")])

    assert [image.address for image in reviews.images] == ["b.png"]
    assert reviews.agreement().problems == ("annotation 17 of task 7: broken",)


def test_what_cannot_be_compared_is_left_out_and_told() -> None:
    reviews = Reviews([CONTROL], size_of=no_size)

    reviews.take([review({**regions(("Coin", box(0, 3)))[0], "image_rotation": 90})])

    assert reviews.images == []
    assert reviews.agreement().generations == ()
    assert reviews.agreement().problems[0].startswith("annotation 3 of task 7: region 'region-0' is painted")


@pytest.mark.parametrize("error", [ImageRefusedError("broken"), ImageUnavailableError("gone")])
def test_an_image_whose_size_nobody_knows_is_left_out_and_told_and_counts(error: Exception) -> None:
    def size_of(_address: str, _task_id: int) -> tuple[int, int]:
        raise error

    reviews = Reviews([CONTROL], size_of=size_of)

    reviews.take([Review(8, {"image": "bare.png"}, 4, 5, "oneshot-v", (), ())])

    assert reviews.images == []
    assert reviews.agreement().problems == (f"annotation 4 of task 8: {error}",)
    assert [each.reviewed for each in reviews.agreement().generations] == [1]
