"""The whole core: on drawn images with networks that see colours, and on coins() with the real weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.evaluation.coins import coin_masks, coins_image
from backend.vision.candidate import candidate
from backend.vision.evidence import FITTED
from backend.vision.instance import Instance
from backend.vision.learned import Learned, Lesson
from backend.vision.location_map import LocationMaps
from backend.vision.parts import PARTS, Part
from backend.vision.pipeline import (
    Models,
    SearchOptions,
    exemplars_of,
    find_instances,
    maps_of,
    outlined,
    survey,
)
from backend.vision.reference import Reference, build_reference
from backend.vision.refine import Mask
from backend.vision.sam import ImageEmbedding, MaskLogits
from backend.vision.views import MAX_TILES
from backend.worker.models import load_models
from tests.colour_sam import BLUE, LEAF, RED, ColourSam, box_mask, colour_models, drawn
from tests.mask_matching import matched_ious

TYPICAL = 3  # the coin of the reference
BARE = (slice(76, 102), slice(62, 242))  # between two rows of coins
LARGE = (24, 24)  # pixels; 6 x 6 cells need no tiles
SMALL = (
    8,
    12,
)  # 2 x 3 cells need 2 x 2 tiles of 25 x 40 pixels; they begin at rows 0 and 15, columns 0 and 24
TINY = (8, 8)  # 2 x 2 cells would need 3 x 3


class RedrawCounter(ColourSam):
    """Counts outlines that are drawn again.

    Attributes:
        redraws: how many were.
    """

    redraws = 0

    def decode(self, embedding: ImageEmbedding, **prompts: Any) -> MaskLogits:
        """As ``ColourSam``, and count."""
        self.redraws += "points_xy" not in prompts
        return super().decode(embedding, **prompts)


@pytest.fixture(name="colours")
def _colours() -> Models:
    return colour_models()


def shown(
    models: Models,
    size_hw: tuple[int, int],
    *,
    colour: tuple[int, int, int] = RED,
    label: str = "coin",
    max_tiles: int = MAX_TILES,
) -> Reference:
    """A reference from an image of 40 x 64 with one box."""
    box = (8, 8, *size_hw)
    return build_reference(
        *(models.sam, models.semantic, drawn((*box, colour)), [box_mask(*box)]),
        label=label,
        max_tiles=max_tiles,
    )


def encoded(models: Models) -> int:
    """How many images SAM has seen."""
    assert isinstance(models.sam, ColourSam)
    return models.sam.encoded


def boxes(instances: tuple[Instance, ...]) -> list[tuple[int, int, int, int]]:
    """Top, left, height and width of each instance, from left to right."""
    found = []
    for one in instances:
        rows, columns = (np.flatnonzero(one.mask.any(axis=axis)) for axis in (1, 0))
        found.append((int(rows[0]), int(columns[0]), len(rows), len(columns)))
    return sorted(found, key=lambda box: box[1])


def test_every_object_that_looks_like_the_reference_is_found_where_it_is(colours: Models) -> None:
    """Two of three; the image is wider than high."""
    image = drawn((2, 4, *LARGE, RED), (14, 36, *LARGE, RED), (2, 34, 8, 28, BLUE))

    found = find_instances(colours, [shown(colours, LARGE)], image)

    assert boxes(found.instances) == [(2, 4, *LARGE), (14, 36, *LARGE)]
    assert {one.label for one in found.instances} == {"coin"}
    assert {one.window.size_hw for one in found.instances} == {(40, 64)}
    assert found.limits == ()


def test_an_object_that_several_tiles_show_is_one_instance_in_its_place(colours: Models) -> None:
    """The first lies whole in two tiles, the second in one; the image is wider than high."""
    places = [(2, 26), (28, 46)]
    image = drawn(*((*place, *SMALL, RED) for place in places))
    reference = shown(colours, SMALL)
    before = encoded(colours)

    found = find_instances(colours, [reference], image)

    true = [box_mask(*place, *SMALL) for place in places]
    assert encoded(colours) - before == 2
    assert len(found.instances) == 2
    assert min(matched_ious([one.mask for one in found.instances], true)) > 0.8


@pytest.mark.parametrize(("images_per_pass", "passes"), [(1, 6), (4, 2), (6, 1), (9, 1)])
def test_tiles_are_encoded_together_and_the_same_is_found(images_per_pass: int, passes: int) -> None:
    """Of six tiles; one after the other, as on a CPU, or several at once, as on a GPU."""
    image = drawn((2, 26, *TINY, RED), (28, 46, *TINY, RED))
    alone, together = colour_models(), colour_models(images_per_pass)
    reference = shown(colour_models(), TINY)

    expected = find_instances(alone, [reference], image)
    found = find_instances(together, [reference], image)

    assert isinstance(together.sam, ColourSam)
    assert (encoded(together), together.sam.passes) == (6, passes)
    assert boxes(found.instances) == boxes(expected.instances) == [(2, 26, *TINY), (28, 46, *TINY)]
    assert [one.confidence for one in found.instances] == pytest.approx(
        [one.confidence for one in expected.instances]
    )


def test_what_tiles_cut_is_found_in_the_tile_that_shows_it_whole(colours: Models) -> None:
    """Columns 16 to 28 cross the left border of the right tile."""
    image = drawn((17, 16, *SMALL, RED))

    (one,) = find_instances(colours, [shown(colours, SMALL)], image).instances

    assert matched_ious([one.mask], [box_mask(17, 16, *SMALL)])[0] > 0.8


def test_an_embedding_that_the_caller_has_is_used(colours: Models) -> None:
    """The image as a whole is not encoded again."""
    image = drawn((2, 4, *LARGE, RED))
    reference, embedding = shown(colours, LARGE), colours.sam.embed(image)
    before = encoded(colours)

    found = find_instances(colours, [reference], image, embedding=embedding)

    assert len(found.instances) == 1
    assert encoded(colours) == before


def test_labels_compete_for_objects(colours: Models) -> None:
    """Each is found once, as what it is; also where the labels need tiles of different sizes."""
    image = drawn((2, 2, *LARGE, RED), (24, 48, *SMALL, BLUE))
    references = [shown(colours, LARGE), shown(colours, SMALL, colour=BLUE, label="bead")]

    found = find_instances(colours, references, image).instances

    assert {one.label: box for one, box in zip(found, map(box_of, found), strict=True)} == {
        "coin": (2, 2, *LARGE),
        "bead": (24, 48, *SMALL),
    }


def box_of(one: Instance) -> tuple[int, int, int, int]:
    """Top, left, height and width."""
    return boxes((one,))[0]


def test_nothing_like_the_reference_is_an_empty_answer(colours: Models) -> None:
    """Bare ground, and a thing that hardly stands out from it."""
    reference = shown(colours, LARGE)

    assert find_instances(colours, [reference], drawn()).instances == ()
    assert find_instances(colours, [reference], drawn((2, 4, *LARGE, LEAF))).instances == ()


@pytest.mark.parametrize(("iou", "redraws"), [(0.98, 0), (0.9, 1)])
def test_only_an_outline_that_is_not_sure_is_drawn_again(iou: float, redraws: int) -> None:
    """A box with steep edges: whether it is sure is up to its estimated IoU."""
    sam = RedrawCounter()
    embedding = sam.embed(drawn((8, 8, 16, 12, RED)))
    logits = torch.full((64, 64), -9.0)
    logits[8:24, 8:20] = 9.0

    again = outlined(sam, embedding, candidate(Mask(logits, iou), side=16, finder=0))

    assert sam.redraws == redraws
    assert torch.equal(again.logits, logits)


def test_outlines_of_a_label_that_are_better_left_alone_are_not_drawn_again(
    colours: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lesson says so; without one they are, unless they are sure: here none ever is."""
    monkeypatch.setattr("backend.vision.candidate.SURE", 2.0)
    sam = RedrawCounter()
    models, image = Models(sam, colours.semantic), drawn((2, 4, *LARGE, RED))
    reference = shown(colours, LARGE)
    left_alone = Learned({reference.label: Lesson(FITTED.second, redrawn=False)})

    for learned, redraws in ((Learned(), 1), (left_alone, 1)):
        find_instances(models, [reference], image, learned=learned)
        assert sam.redraws == redraws


def test_outlines_of_a_label_are_moved_as_its_lesson_says(colours: Models) -> None:
    """Here a low-resolution pixel is one of the image: the box of 24 x 24 grows by one on each side."""
    image, reference = drawn((2, 4, *LARGE, RED)), shown(colours, LARGE)
    outwards = Learned({reference.label: Lesson(FITTED.second, inset=-1.0)})

    (before,) = find_instances(colours, [reference], image).instances
    (after,) = find_instances(colours, [reference], image, learned=outwards).instances

    assert [one.window.box_xyxy for one in (before, after)] == [(4, 2, 28, 26), (3, 1, 29, 27)]


def test_a_survey_measures_and_decides_nothing(colours: Models) -> None:
    """The blue box, too, and parts of the red one; in each view that shows some of them."""
    image = drawn((1, 2, *SMALL, RED), (27, 50, *SMALL, BLUE))
    references = [shown(colours, SMALL), shown(colours, SMALL, colour=BLUE, label="bead")]

    found = survey(colours, references, image)

    seen = [one for one in found.seen if one.sight is not None]
    assert [one.label for one in found.exemplars] == ["coin", "bead"]
    assert len(found.seen) == 2
    assert {found.exemplars[i].label for one in seen if one.sight for i in one.sight.owner.tolist()} == {
        "coin",
        "bead",
    }
    assert len({(one.view.top, one.view.left) for one in found.seen}) == 2


def test_references_of_a_label_share_one_map(colours: Models) -> None:
    """Of two coins one is red and one blue, and both are looked for; of two labels each has its own."""
    image = drawn((2, 4, *LARGE, RED), (14, 36, *LARGE, BLUE))
    embedding = colours.sam.embed(image)
    dense = colours.semantic.dense(image, embedding)

    def maps(second: str) -> dict[int, LocationMaps]:
        references = [shown(colours, LARGE), shown(colours, LARGE, colour=BLUE, label=second)]
        exemplars = dict(enumerate(exemplars_of(references, SearchOptions())))
        return maps_of(exemplars, embedding, dense)

    together, apart = maps("coin"), maps("bead")

    assert torch.equal(together[0].likely, together[1].likely)
    assert torch.allclose(together[0].likely, (apart[0].likely + apart[1].likely) / 2)
    assert torch.allclose(together[0].sharp, (apart[0].sharp + apart[1].sharp) / 2)
    assert not torch.equal(apart[0].likely, apart[1].likely)


def test_a_bound_on_the_places_is_told_where_it_ends_the_search(colours: Models) -> None:
    """Two boxes, one place; with two places nothing is left out, and nothing is said."""
    image = drawn((2, 4, *LARGE, RED), (14, 36, *LARGE, RED))
    reference = shown(colours, LARGE)

    short, enough = (
        find_instances(colours, [reference], image, options=SearchOptions(max_instances=bound))
        for bound in (1, 2)
    )

    assert (len(short.instances), len(enough.instances)) == (1, 2)
    assert enough.limits == ()
    (sentence,) = short.limits
    assert "1 places" in sentence
    assert "ONESHOT_MAX_INSTANCES" in sentence


def test_a_reference_knows_that_more_tiles_would_show_it_better(colours: Models) -> None:
    """9 tiles would show the bead well, and there may be 4."""
    assert shown(colours, TINY, max_tiles=4).small
    assert not shown(colours, TINY, max_tiles=9).small
    assert not shown(colours, LARGE, max_tiles=4).small


def test_without_the_check_place_and_size_decide(colours: Models) -> None:
    """The other box hardly stands out from the ground; similarity is what the map says."""
    image = drawn((2, 4, *LARGE, RED), (2, 34, *LARGE, LEAF))
    options = SearchOptions(semantic_check=False)

    (one,) = find_instances(colours, [shown(colours, LARGE)], image, options=options).instances

    assert box_of(one) == (2, 4, *LARGE)
    assert one.similarity == pytest.approx(1, abs=0.1)


def test_the_loop_alone_is_the_reports_and_knows_no_tiles(colours: Models) -> None:
    """One embedding, also of small things; similarity is SAM's own cosine."""
    image = drawn((4, 8, *SMALL, RED), (28, 48, *SMALL, RED))
    reference = shown(colours, SMALL)
    before = encoded(colours)
    options = SearchOptions(search="loop", semantic_check=False, guidance="none")

    found = find_instances(colours, [reference], image, options=options)

    assert encoded(colours) - before == 1
    assert boxes(found.instances) == [(4, 8, *SMALL), (28, 48, *SMALL)]
    assert [one.similarity for one in found.instances] == pytest.approx([1, 1], abs=0.1)
    assert found.seconds.check == 0


def test_the_loop_with_the_check_finds_the_same_as_the_sweep(colours: Models) -> None:
    """On an image that leaves no doubt."""
    image = drawn((2, 4, *LARGE, RED), (14, 36, *LARGE, RED))
    loop = SearchOptions(search="loop", guidance="none")

    found = find_instances(colours, [shown(colours, LARGE)], image, options=loop)

    assert boxes(found.instances) == [(2, 4, *LARGE), (14, 36, *LARGE)]


@pytest.mark.parametrize("part", PARTS)
def test_without_a_part_what_leaves_no_doubt_is_found_all_the_same(colours: Models, part: Part) -> None:
    """No part is needed where two things stand on plain ground."""
    image = drawn((2, 4, *LARGE, RED), (14, 36, *LARGE, RED))
    options = SearchOptions(without=(part,))

    found = find_instances(colours, [shown(colours, LARGE)], image, options=options)

    assert boxes(found.instances) == [(2, 4, *LARGE), (14, 36, *LARGE)]


def test_without_tiles_an_image_is_encoded_once_however_small_the_things_are(colours: Models) -> None:
    """The reference has tiles all the same."""
    reference = shown(colours, SMALL)
    before = encoded(colours)

    options = SearchOptions(without=("tiles",))
    find_instances(colours, [reference], drawn((4, 8, *SMALL, RED)), options=options)

    assert reference.tiles
    assert encoded(colours) - before == 1


@pytest.fixture(name="models", scope="module")
def _models(weights: Path, cache_dir: Path) -> Models:
    assert weights.is_dir()
    return load_models(sam="mobilesam", cache_dir=cache_dir, device="cpu", threads=0)


@pytest.fixture(name="embedding", scope="module")
def _embedding(models: Models) -> ImageEmbedding:
    return models.sam.embed(coins_image())


@pytest.fixture(name="coin", scope="module")
def _coin(models: Models, embedding: ImageEmbedding) -> Reference:
    masks = [coin_masks()[TYPICAL]]
    return build_reference(
        models.sam, models.semantic, coins_image(), masks, label="coin", embedding=embedding
    )


@pytest.mark.weights
@pytest.mark.parametrize(
    "options",
    [{}, {"search": "loop"}, {"search": "loop", "guidance": "none", "semantic_check": False}],
    ids=["default", "loop", "loop without check"],
)
def test_one_coin_finds_all_24_and_none_else(
    models: Models, coin: Reference, embedding: ImageEmbedding, options: dict[str, Any]
) -> None:
    """With each search, each mask on its coin."""
    found = find_instances(
        models, [coin], coins_image(), options=SearchOptions(**options), embedding=embedding
    ).instances

    assert len(found) == 24
    assert min(matched_ious([one.mask for one in found], list(coin_masks()))) > 0.8
    assert {one.label for one in found} == {"coin"}
    assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)


@pytest.mark.weights
def test_persam_f_finds_coins_too(models: Models, coin: Reference, embedding: ImageEmbedding) -> None:
    """Its weights were fitted on one decode; the first few are enough to see it work."""
    options = SearchOptions(search="loop", fine_tuned=True, max_instances=3)

    found = find_instances(models, [coin], coins_image(), options=options, embedding=embedding).instances

    ious = matched_ious([one.mask for one in found], list(coin_masks()))
    assert sum(iou > 0.8 for iou in ious) == len(found) == 3


@pytest.mark.weights
def test_nothing_is_found_where_there_is_nothing(models: Models, coin: Reference) -> None:
    """Bare ground from between the coins; an empty tuple is a normal answer."""
    bare = np.ascontiguousarray(coins_image()[BARE])

    assert find_instances(models, [coin], bare).instances == ()


@pytest.mark.weights
def test_a_fixed_threshold_replaces_the_calibrated_one(
    models: Models, coin: Reference, embedding: ImageEmbedding
) -> None:
    """No coin is like another to a cosine of 0.99; the reference's own is."""
    options = SearchOptions(min_similarity=0.9)

    found = find_instances(models, [coin], coins_image(), options=options, embedding=embedding).instances

    assert 1 <= len(found) < 24
    assert min(one.similarity for one in found) >= 0.9


@pytest.mark.weights
def test_the_image_is_encoded_once_and_every_stage_is_timed(models: Models, coin: Reference) -> None:
    """Search and check are not free either."""
    seconds = find_instances(models, [coin], coins_image()[:150, :150]).seconds

    assert min(seconds.encode, seconds.search, seconds.check) > 0


@pytest.mark.weights
def test_of_two_labels_for_one_thing_each_object_gets_at_most_one(
    models: Models, coin: Reference, embedding: ImageEmbedding
) -> None:
    """Two references, the second from another coin: no coin has two masks. Doubt which it is may cost one."""
    other = build_reference(
        models.sam, models.semantic, coins_image(), [coin_masks()[13]], label="other", embedding=embedding
    )

    found = find_instances(models, [coin, other], coins_image(), embedding=embedding).instances

    ious = matched_ious([one.mask for one in found], list(coin_masks()))
    assert sum(iou > 0.8 for iou in ious) == len(found) >= 23
    assert {one.label for one in found} == {"coin", "other"}
