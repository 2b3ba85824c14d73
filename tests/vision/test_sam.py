"""SAM's frames, shapes and sizes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.data import astronaut, coins

from backend.checkpoints.sam import open_sam
from backend.vision.errors import EmbeddingError, ImageError, MaskSizeError, PromptError
from backend.vision.sam import (
    PIXEL_MEAN,
    PIXEL_STD,
    ImageEmbedding,
    Sam,
    preprocess,
    resized_size,
    to_grid,
    without_padding,
)
from tests.tiny_sam import CHANNELS, INPUT_SIZE, SIDE, tiny_sam, tiny_sam_model

WIDE = (3, 5)  # resized to 38 x 64 in the square of 64: 4.75 x 8 cells


def embedding(size_hw: tuple[int, int] = WIDE) -> ImageEmbedding:
    """An embedding of nothing in particular."""
    features = torch.randn(CHANNELS, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    return ImageEmbedding(features, size_hw, resized_size(*size_hw, INPUT_SIZE), INPUT_SIZE)


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """A random RGB image."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_cells_that_show_no_image_are_not_valid() -> None:
    """The fifth row shows 0.75 of a cell of image, so it counts; the three below are padding."""
    wide = embedding((3, 5))

    assert wide.valid_hw == (5, 8)
    assert wide.valid[:5].all()
    assert not wide.valid[5:].any()


def test_a_tall_image_has_its_padding_on_the_right() -> None:
    """Swapped axes would put it below."""
    tall = embedding((5, 3))

    assert tall.valid_hw == (8, 5)
    assert tall.valid[:, :5].all()
    assert not tall.valid[:, 5:].any()


def test_without_padding_crops_any_resolution() -> None:
    """Low-resolution logits have four times the cells: 38 of 64 pixels are 19 of 32."""
    logits = torch.zeros(2, 3, 4 * SIDE, 4 * SIDE)

    assert without_padding(logits, embedding()).shape == (2, 3, 19, 32)
    assert without_padding(embedding().features, embedding()).shape == (CHANNELS, 5, 8)


@pytest.mark.parametrize(
    ("features", "resized_hw"),
    [
        (torch.zeros(SIDE, SIDE), (38, 64)),
        (torch.zeros(CHANNELS, 5, SIDE), (38, 64)),
        (torch.zeros(CHANNELS, SIDE, SIDE, dtype=torch.int64), (38, 64)),
        (torch.zeros(CHANNELS, SIDE, SIDE), (64, 38)),
    ],
    ids=["no channels", "not square", "not float", "swapped axes"],
)
def test_an_embedding_that_contradicts_itself_is_refused(
    features: torch.Tensor, resized_hw: tuple[int, int]
) -> None:
    with pytest.raises(EmbeddingError, match="expected"):
        ImageEmbedding(features, WIDE, resized_hw, INPUT_SIZE)


def test_a_stretched_image_has_no_padding() -> None:
    """As SAM 2 sees it: all of the square shows the image, twice as dense in y as in x here."""
    stretched = ImageEmbedding(torch.zeros(CHANNELS, SIDE, SIDE), (4, 8), (64, 64), INPUT_SIZE)
    mask = np.zeros((4, 8), np.bool_)
    mask[1, 2] = True

    coverage = to_grid(mask, stretched)

    assert stretched.valid.all()
    assert stretched.valid_hw == (8, 8)
    assert coverage[2:4, 2].tolist() == [1, 1]
    assert coverage.sum() == 2


@pytest.mark.parametrize("fine", [(4, 12, 12), (4, 16, 32), (16, 16)], ids=["between", "not square", "flat"])
def test_finer_features_that_do_not_fit_the_grid_are_refused(fine: tuple[int, ...]) -> None:
    """A cell is 1, 2 or 4 of theirs."""
    with pytest.raises(EmbeddingError, match="expected finer features"):
        ImageEmbedding(
            torch.zeros(CHANNELS, SIDE, SIDE), WIDE, (38, 64), INPUT_SIZE, fine=(torch.zeros(fine),)
        )


def test_embed_remembers_the_size_of_the_image() -> None:
    """Only the embedding knows where the padding is, so it must say so."""
    result = tiny_sam().embed(picture(30, 50))

    assert result.features.shape == (CHANNELS, SIDE, SIDE)
    assert result.size_hw == (30, 50)
    assert result.resized_hw == (38, 64)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((3, 5), np.uint8),
        np.zeros((3, 5, 4), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((3, 5, 3), np.float32),
    ],
    ids=["grey", "alpha", "empty", "float"],
)
def test_what_is_no_rgb_image_is_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(ImageError, match="expected an RGB image"):
        tiny_sam().embed(image)


def test_images_that_are_encoded_together_are_those_one_by_one() -> None:
    """Of one size, wider than high; they do not see each other."""
    sam, images = tiny_sam(), [picture(30, 50), 255 - picture(30, 50), picture(30, 50) // 2]

    together = sam.embed_together(images)

    for image, one in zip(images, together, strict=True):
        alone = sam.embed(image)
        assert (one.size_hw, one.resized_hw) == (alone.size_hw, alone.resized_hw)
        torch.testing.assert_close(one.features, alone.features, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(together[0].features, together[1].features)


def test_images_of_several_sizes_are_not_encoded_together() -> None:
    """What is padding of one would be image of the other."""
    with pytest.raises(ImageError, match="expected images of one size"):
        tiny_sam().embed_together([picture(30, 50), picture(50, 30)])


def test_preprocessing_can_stretch_an_image_over_the_square() -> None:
    """SAM 2 does; bilinear as PIL has it, wider and lower than the 300 x 512 of the image."""
    image = np.array(Image.fromarray(astronaut()).crop((100, 0, 400, 512)))  # 512 x 300

    result = preprocess(image, (400, 400), 400)[0].numpy()

    pixels = np.asarray(Image.fromarray(image).resize((400, 400), Image.Resampling.BILINEAR), np.float64)
    assert np.abs(result.transpose(1, 2, 0) - (pixels - PIXEL_MEAN) / PIXEL_STD).max() < 0.02


@pytest.mark.parametrize("size", [32, 700], ids=["upwards", "downwards"])
def test_preprocessing_is_that_of_sam(size: int) -> None:
    """SAM resizes with PIL, whose bilinear antialiases when it shrinks; one grey level is 0.018 here."""
    image = np.array(Image.fromarray(astronaut()).crop((100, 0, 400, 512)))  # 512 x 300

    result = preprocess(image, (size, round(size * 300 / 512)), 700)[0].numpy()

    width = round(size * 300 / 512)
    pixels = np.asarray(Image.fromarray(image).resize((width, size), Image.Resampling.BILINEAR), np.float64)
    expected = (pixels - PIXEL_MEAN) / PIXEL_STD
    assert np.abs(result[:, :size, :width].transpose(1, 2, 0) - expected).max() < 0.02
    assert not result[:, size:].any()
    assert not result[:, :, width:].any()


def test_a_mask_covers_cells_in_proportion_to_its_area() -> None:
    """Each of 3 x 4 pixels is 2 x 2 cells of 6 x 8, so pixel (1, 2) covers rows 2-3, columns 4-5."""
    mask = np.zeros((3, 4), np.bool_)
    mask[1, 2] = True

    coverage = to_grid(mask, embedding((3, 4)))

    assert coverage.sum() == 4
    assert coverage[2:4, 4:6].tolist() == [[1, 1], [1, 1]]


def test_a_mask_smaller_than_a_cell_still_covers_some_of_it() -> None:
    """Bilinear sampling at the stride of the cells, as published, loses such an object altogether."""
    mask = np.zeros((640, 640), np.bool_)
    mask[85:90, 5:25] = True

    coverage = to_grid(mask, embedding((640, 640)))

    assert coverage[1, 0] == pytest.approx(5 * 20 / (80 * 80))
    assert coverage.sum() == coverage[1, 0]


def test_a_full_mask_covers_the_image_and_not_the_padding() -> None:
    """The last row of cells shows 0.75 of a cell of image."""
    coverage = to_grid(np.ones((3, 5), np.bool_), embedding())

    torch.testing.assert_close(coverage[:4], torch.ones(4, 8))
    torch.testing.assert_close(coverage[4], torch.full((8,), 0.75))
    assert not coverage[5:].any()


def test_a_mask_can_be_put_on_the_grid_of_low_resolution_logits() -> None:
    coverage = to_grid(np.ones((3, 5), np.bool_), embedding(), side=4 * SIDE)

    assert coverage.shape == (32, 32)
    torch.testing.assert_close(coverage[:19], torch.ones(19, 32))


@pytest.mark.parametrize("mask", [np.ones((5, 3), np.bool_), np.ones((3, 5), np.uint8)])
def test_a_mask_of_another_size_is_refused(mask: NDArray[np.bool_]) -> None:
    with pytest.raises(MaskSizeError, match=r"expected a bool mask of \(3, 5\)"):
        to_grid(mask, embedding())


def test_upscaling_removes_the_padding() -> None:
    """Object in every row that shows image, none in the padding: all of the image is object."""
    logits = torch.full((2, 32, 32), -8.0)
    logits[:, :19] = 8.0

    upscaled = tiny_sam().upscale(logits, embedding())

    assert upscaled.shape == (2, 3, 5)
    assert (upscaled > 0).all()


def test_upscaling_keeps_x_and_y_apart() -> None:
    """The right half of a 30 x 50 image is object."""
    logits = torch.full((32, 32), -8.0)
    logits[:, 16:] = 8.0

    upscaled = tiny_sam().upscale(logits, embedding((30, 50)))

    assert (upscaled > 0).sum(0).tolist() == [0] * 25 + [30] * 25


def test_points_are_in_pixels_of_the_original_image() -> None:
    """The decoder of transformers is asked in pixels of the square: (x, y) times 64 / 50, 38 / 30."""
    model, image = tiny_sam_model(), embedding((30, 50))
    sam = Sam(model, model.get_image_embeddings, input_size=INPUT_SIZE)

    answer = sam.decode(image, points_xy=np.array([[[10.0, 15.0], [45, 3]]]), labels=np.array([[1, 0]]))

    points = torch.tensor([[[[12.8, 19.0], [57.6, 3.8]]]])
    expected = model(
        image_embeddings=image.features[None], input_points=points, input_labels=torch.tensor([[[1, 0]]])
    )
    torch.testing.assert_close(answer.logits, expected.pred_masks[0], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(answer.iou, expected.iou_scores[0], rtol=1e-4, atol=1e-3)


def test_boxes_masks_and_points_are_those_of_transformers() -> None:
    """Two prompts, each with a box, a point and the mask of an earlier answer."""
    model, image = tiny_sam_model(), embedding((32, 32))
    sam = Sam(model, model.get_image_embeddings, input_size=INPUT_SIZE)
    boxes = np.array([[1.0, 2, 20, 30], [4, 4, 8, 9]])
    points, labels = np.array([[[3.0, 4]], [[5, 6]]]), np.array([[1], [0]])
    masks = torch.randn(2, 32, 32, generator=torch.Generator().manual_seed(2)) * 5

    answer = sam.decode(
        image, points_xy=points, labels=labels, boxes_xyxy=boxes, mask_logits=masks, multimask=False
    )

    for i in range(2):
        expected = model(
            image_embeddings=image.features[None],
            input_points=torch.tensor(points[None, i : i + 1] * 2).float(),
            input_labels=torch.tensor(labels[None, i : i + 1]),
            input_boxes=torch.tensor(boxes[None, i : i + 1] * 2).float(),
            input_masks=masks[i : i + 1, None],
            multimask_output=False,
        )
        torch.testing.assert_close(answer.logits[i], expected.pred_masks[0, 0], rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(answer.iou[i], expected.iou_scores[0, 0], rtol=1e-4, atol=1e-3)


def test_prompts_do_not_influence_each_other() -> None:
    """However many go through the decoder at once, each gets the answer it gets alone."""
    sam, image = tiny_sam(), embedding()
    points, labels = np.array([[[0.0, 0]], [[2, 1]], [[4, 2]]]), np.ones((3, 1), np.int64)

    together = sam.decode(image, points_xy=points, labels=labels)

    alone = [sam.decode(image, points_xy=points[i : i + 1], labels=labels[:1]) for i in range(3)]
    assert together.logits.shape == (3, 3, 32, 32)
    torch.testing.assert_close(together.logits, torch.cat([one.logits for one in alone]))


def test_a_mask_alone_is_a_prompt() -> None:
    answer = tiny_sam().decode(embedding(), mask_logits=torch.zeros(2, 32, 32))

    assert answer.logits.shape == (2, 3, 32, 32)
    assert answer.iou.shape == (2, 3)


def test_a_negative_point_is_label_0() -> None:
    """The docstring in transformers says -1, but its code takes that for "not a point" and ignores it."""
    with pytest.raises(PromptError, match=r"labels 1 \(object\) and 0 \(background\), got \[-1"):
        tiny_sam().decode(embedding(), points_xy=np.zeros((1, 2, 2)), labels=np.array([[1, -1]]))


@pytest.mark.parametrize(
    "prompts",
    [
        {},
        {"points_xy": np.zeros((1, 1, 2))},
        {"labels": np.ones((1, 1))},
        {"points_xy": np.zeros((1, 2)), "labels": np.ones((1, 1))},
        {"points_xy": np.zeros((1, 2, 2)), "labels": np.ones((1, 1))},
        {"points_xy": np.full((1, 1, 2), np.nan), "labels": np.ones((1, 1))},
        {"boxes_xyxy": np.zeros((1, 2, 2))},
        {"boxes_xyxy": np.zeros((0, 4))},
        {"boxes_xyxy": np.zeros((2, 4)), "mask_logits": torch.zeros(1, 32, 32)},
        {"mask_logits": torch.zeros(1, 64, 64)},
    ],
    ids=lambda prompts: "+".join(prompts) or "none",
)
def test_prompts_that_do_not_fit_are_refused(prompts: dict[str, NDArray[np.float64]]) -> None:
    with pytest.raises(PromptError, match="expected"):
        tiny_sam().decode(embedding(), **prompts)  # type: ignore[arg-type]


def test_answers_can_be_learned_on() -> None:
    """PerSAM-F fits the weights of the three masks by gradient descent."""
    logits = tiny_sam().decode(embedding(), mask_logits=torch.zeros(1, 32, 32)).logits
    weights = torch.ones(3, requires_grad=True)

    torch.einsum("m,mhw->", weights, logits[0]).backward()  # type: ignore[no-untyped-call]

    assert weights.grad is not None


def test_a_model_in_bfloat16_answers_in_float32() -> None:
    model = tiny_sam_model().to(torch.bfloat16)
    sam = Sam(model, lambda pixels: model.get_image_embeddings(pixels.bfloat16()), input_size=INPUT_SIZE)

    answer = sam.decode(sam.embed(picture(3, 5)), points_xy=np.array([[[1.0, 1]]]), labels=np.array([[1]]))

    assert answer.logits.dtype == torch.float32
    assert answer.logits.isfinite().all()


@pytest.mark.weights
def test_a_point_on_a_coin_gives_the_coin(weights: Path) -> None:
    """On a crop that is not square: a coin of the second row lies around (44, 120), some 50 pixels wide."""
    checkpoint = open_sam("mobilesam", cache_dir=weights.parent)
    sam = Sam(checkpoint.model, checkpoint.encode_pixels, input_size=checkpoint.input_size)
    image = np.repeat(coins()[:, :250, None], 3, axis=2)

    found = sam.embed(image)
    answer = sam.decode(found, points_xy=np.array([[[44.0, 120.0]]]), labels=np.array([[1]]))

    mask = sam.upscale(answer.logits[0, answer.iou[0].argmax()], found) > 0
    rows, columns = mask.nonzero().unbind(1)
    assert mask.shape == image.shape[:2]
    assert 30 < columns.max() - columns.min() < 70
    assert 30 < rows.max() - rows.min() < 70
    assert abs(columns.float().mean() - 44) < 10
    assert abs(rows.float().mean() - 120) < 10
    assert answer.iou.max() > 0.9
