"""Images decoded at reduced size: masks are where they would be, in the image's own pixels."""

import numpy as np
import pytest

from backend.vision.errors import ImageError, MaskSizeError
from backend.vision.instance import mask_window
from backend.vision.interactive import Prompt, segment_shown, similar_instances
from backend.vision.pipeline import Models, SearchOptions, find_instances
from backend.vision.reduction import Reduction
from backend.vision.reference import build_reference
from tests.colour_sam import BLUE, RED, box_mask, colour_models, drawn
from tests.mask_matching import matched_ious

FIRST, SMALL = (4, 8, 24, 24), (8, 12)
LOOP = SearchOptions(search="loop", semantic_check=False)


@pytest.fixture(name="colours")
def _colours() -> Models:
    return colour_models()


@pytest.mark.parametrize(
    ("reduced_hw", "size_hw", "times"),
    [((3, 5), None, 1), ((3, 5), (3, 5), 1), ((3, 5), (6, 9), 2), ((3, 5), (9, 17), 4), ((1, 5), (3, 40), 8)],
)
def test_how_much_an_image_was_reduced_is_told_by_its_sizes(
    reduced_hw: tuple[int, int], size_hw: tuple[int, int] | None, times: int
) -> None:
    reduction = Reduction.of(reduced_hw, size_hw)

    assert reduction == Reduction(times, size_hw or reduced_hw)


@pytest.mark.parametrize("size_hw", [(5, 3), (6, 15), (48, 81)])
def test_other_sizes_are_not_of_the_same_image(size_hw: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=r"got \(3, 5\)"):
        Reduction.of((3, 5), size_hw)


def test_a_mask_covers_what_it_fills_by_half() -> None:
    """5 x 7 pixels in blocks of two: the last row and column are half as large."""
    mask = np.zeros((5, 7), np.bool_)
    mask[1:3, 2:5] = True  # lower half of one block, upper half of the next; one column of the third
    mask[4, 6] = True

    reduced = Reduction(2, (5, 7)).mask(mask)

    assert reduced.astype(int).tolist() == [[0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]


def test_a_tiny_mask_covers_the_pixel_it_lies_in() -> None:
    """One pixel of 16."""
    mask = np.zeros((8, 12), np.bool_)
    mask[5, 9] = True

    reduced = Reduction(4, (8, 12)).mask(mask)

    assert reduced.astype(int).tolist() == [[0, 0, 0], [0, 0, 1]]
    assert not Reduction(4, (8, 12)).mask(np.zeros((8, 12), np.bool_)).any()


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(MaskSizeError, match=r"\(8, 12\) as its image, got \(2, 3\)"):
        Reduction(4, (8, 12)).mask(np.zeros((2, 3), np.bool_))


def test_what_lies_beyond_the_image_is_cut_off() -> None:
    """A view at row 2 and column 1 of the reduced image; its last row and column are half in the image."""
    drawn_whole = mask_window(np.ones((2, 8), np.bool_))

    window = Reduction(2, (5, 9)).window(drawn_whole, 2, 1)

    assert window.size_hw == (5, 9)
    assert (window.top, window.left, window.pixels.shape) == (4, 2, (1, 7))


@pytest.mark.parametrize("odd", [0, 1], ids=["even", "odd"])
@pytest.mark.parametrize("times", [2, 4])
@pytest.mark.parametrize("options", [SearchOptions(), LOOP], ids=["sweep", "loop"])
def test_what_is_found_lies_where_it_is_in_the_images_own_pixels(
    colours: Models, times: int, odd: int, options: SearchOptions
) -> None:
    """Boxes of the reduced image are as many times as large in the whole one; its edge may lack a pixel."""
    image = drawn((*FIRST, RED), (14, 40, 24, 24, RED))
    reference = build_reference(colours.sam, colours.semantic, image, [box_mask(*FIRST)], label="coin")
    size_hw = 40 * times - odd, 64 * times - odd

    found = find_instances(colours, [reference], image, options=options, size_hw=size_hw).instances

    assert all(one.mask.shape == size_hw for one in found)
    true = [
        np.kron(box_mask(*box), np.ones((times, times), np.bool_))[: size_hw[0], : size_hw[1]]
        for box in (FIRST, (14, 40, 24, 24))
    ]
    assert matched_ious([one.mask for one in found], true) == pytest.approx([1, 1], abs=0.02)


def test_small_things_are_found_in_the_tiles_of_a_reduced_image(colours: Models) -> None:
    """A tile begins at row 15, column 24 of the reduced image: at twice that in the image."""
    box = (28, 48, *SMALL)
    shot = drawn((8, 8, *SMALL, RED))
    reference = build_reference(colours.sam, colours.semantic, shot, [box_mask(8, 8, *SMALL)], label="coin")

    found = find_instances(colours, [reference], drawn((*box, RED)), size_hw=(79, 127)).instances

    assert reference.tiles
    true = np.kron(box_mask(*box), np.ones((2, 2), np.bool_))[:79, :127]
    assert matched_ious([one.mask for one in found], [true])[0] > 0.9


def test_what_a_person_shows_comes_in_the_images_own_pixels(colours: Models) -> None:
    """A point, a box and what looks like it, on an image of 80 x 127 that was halved."""
    image = drawn((*FIRST, RED), (14, 36, 24, 24, RED), (2, 60, 4, 4, BLUE))
    size_hw, embedding = (80, 127), colours.sam.embed(image)
    first, second = (
        np.kron(box_mask(*box), np.ones((2, 2), np.bool_))[:, :127] for box in (FIRST, (14, 36, 24, 24))
    )

    by_point = segment_shown(colours.sam, embedding, Prompt([(88.0, 50.0)], [True]), size_hw=size_hw)
    by_box = segment_shown(colours.sam, embedding, Prompt(box_xyxy=(16, 8, 64, 56)), size_hw=size_hw)
    alike = similar_instances(
        *(colours, image, embedding, [by_box.mask]),
        label="coin",
        options=SearchOptions(max_instances=40),
        size_hw=size_hw,
    )

    assert matched_ious([by_point.mask], [second])[0] > 0.98
    assert matched_ious([by_box.mask], [first])[0] > 0.98
    assert [one.mask.shape for one in alike] == [size_hw]
    assert matched_ious([one.mask for one in alike], [second])[0] > 0.98


def test_a_stroke_has_the_size_of_the_image(colours: Models) -> None:
    embedding = colours.sam.embed(drawn((*FIRST, RED)))

    with pytest.raises(MaskSizeError):
        segment_shown(colours.sam, embedding, Prompt(stroke=box_mask(*FIRST)), size_hw=(80, 128))
