"""The images that annotators work on now."""

from typing import cast

import numpy as np

from backend.labelstudio.images import DecodedImage
from backend.vision.instance import mask_window
from backend.vision.sam import ImageEmbedding
from backend.worker.open_images import MOST_IMAGES, OpenImage, OpenImages


def image(side: int = 4) -> OpenImage:
    pixels = np.zeros((side, side, 3), np.uint8)
    return OpenImage(DecodedImage.whole(pixels), cast("ImageEmbedding", None))


def test_an_image_is_loaded_once_while_it_is_among_the_last() -> None:
    images, loaded = OpenImages(), []

    def open_task(task: int) -> OpenImage:
        return images.get(task, "a.png", lambda: loaded.append(task) or image())  # type: ignore[func-returns-value]

    for task in [1, 2, 1, *range(3, 3 + MOST_IMAGES - 2), 1, 100, 2]:
        open_task(task)

    assert loaded == [1, 2, *range(3, 3 + MOST_IMAGES - 2), 100, 2]


def test_another_address_of_a_task_is_another_image() -> None:
    images, first = OpenImages(), image()

    images.get(1, "a.png", lambda: first)

    assert images.get(1, "b.png", image) is not first
    assert images.get(1, "a.png", image) is first


def test_large_images_push_each_other_out_but_never_the_last() -> None:
    images, large = OpenImages(most_bytes=1000), image(side=40)

    images.get(1, "a.png", image)

    assert images.get(2, "a.png", lambda: large) is large
    assert images.get(2, "a.png", image) is large
    assert images.get(1, "a.png", lambda: large) is large  # the small one is gone


def test_what_was_offered_for_others_is_known_and_what_is_replaced_is_not() -> None:
    opened, window = image(), mask_window(np.eye(4, dtype=np.bool_))

    opened.note_offered({"a"}, [window])

    assert opened.offered_for_others({"b"}) == [window]
    assert opened.offered_for_others({"a", "b"}) == []
    opened.note_offered({"a", "b"}, [])
    assert opened.offered_for_others({"c"}) == []
