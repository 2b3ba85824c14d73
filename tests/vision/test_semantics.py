"""Semantic encoders: vectors of crops, maps of images."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from backend.vision.sam import ImageEmbedding, resized_size, to_grid
from backend.vision.semantics import CropEncoder, SamSemantics, Words, dense_size, on_grid

SIDE = 16  # low-resolution pixels along the padded square of 64


def embedding(height: int, width: int, features: Tensor | None = None) -> ImageEmbedding:
    """An embedding of 4 x 4 cells of 16 pixels."""
    features = torch.zeros(2, 4, 4) if features is None else features
    return ImageEmbedding(features, (height, width), resized_size(height, width, 64), 64)


def logits(height: int, width: int, box: tuple[slice, slice]) -> Tensor:
    """Logits of a box in pixels of an image."""
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[box] = True
    return to_grid(mask, embedding(height, width), side=SIDE) - 0.5


def red_left_green_right(height: int = 16, width: int = 32) -> NDArray[np.uint8]:
    """A wide image in two halves."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[:, : width // 2, 0] = image[:, width // 2 :, 1] = 255
    return image


def colours(pixels: Tensor) -> Tensor:
    """An encoder that sees the mean colour of every 32 x 32 pixels."""
    return avg_pool2d(pixels, 32)


def test_a_vector_has_length_one() -> None:
    """The cosine of two vectors is their product."""
    crops = torch.randint(
        0, 256, (20, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )

    vectors = CropEncoder(lambda pixels: pixels, input_size=8).crop_vectors(crops)

    assert vectors.shape == (20, 3)
    assert vectors.norm(dim=1).tolist() == pytest.approx([1] * 20)


def test_the_default_is_centred_on_grey() -> None:
    """EfficientNet-Lite wants (x - 127) / 128."""
    seen: list[Tensor] = []

    def features(pixels: Tensor) -> Tensor:
        seen.append(pixels)
        return pixels

    CropEncoder(features, input_size=2).crop_vectors(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8))

    assert set(seen[0].flatten().tolist()) == {1}


def test_each_channel_has_its_own_mean_and_deviation() -> None:
    """And what surrounds an object is the mean, to the nearest whole value."""
    encoder = CropEncoder(lambda pixels: pixels, mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4))

    pixels = encoder.normalised(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8))

    expected = [(255 - 123.7) / 58.4, (255 - 116.3) / 57.1, (255 - 103.5) / 57.4]
    assert pixels.flatten().tolist() == pytest.approx(expected)
    assert encoder.fill == (124, 116, 104)


@pytest.mark.parametrize("masked", [True, False])
def test_each_object_has_a_vector_of_its_own(masked: bool) -> None:
    """Left red, right green; swapped axes would mix them."""
    boxes = [(slice(4, 12), slice(4, 12)), (slice(4, 12), slice(20, 28))]
    encoder = CropEncoder(lambda pixels: pixels.clamp_min(0), input_size=8)

    both = torch.stack([logits(16, 32, box) for box in boxes])
    vectors = encoder.vectors(red_left_green_right(), both, embedding(16, 32), masked=masked)

    assert vectors.argmax(dim=1).tolist() == [0, 1]


def test_a_masked_object_shows_nothing_around_it() -> None:
    """A row of red on green, square as a crop: only unmasked there is green in it."""
    image = np.zeros((16, 32, 3), dtype=np.uint8)
    image[..., 1] = 255
    image[4:8, 8:24] = (255, 0, 0)
    row = logits(16, 32, (slice(4, 8), slice(8, 24)))[None]
    encoder = CropEncoder(lambda pixels: (pixels + 1) / 2, input_size=16)

    alone = encoder.vectors(image, row, embedding(16, 32), masked=True)[0]
    around = encoder.vectors(image, row, embedding(16, 32), masked=False)[0]

    assert alone[0] > alone[1]
    assert around[0] < around[1]


def test_no_objects_have_no_vectors() -> None:
    """Finding nothing is normal."""
    encoder = CropEncoder(lambda pixels: pixels, input_size=8)
    none = torch.zeros(0, SIDE, SIDE)

    assert encoder.vectors(red_left_green_right(), none, embedding(16, 32), masked=True).shape == (0, 3)
    vectors = SamSemantics().vectors(red_left_green_right(), none, embedding(16, 32), masked=True)
    assert vectors.shape == (0, 2)


@pytest.mark.parametrize(
    ("height", "width", "size_hw"), [(16, 32, (512, 1024)), (3000, 1000, (1024, 352)), (1, 500, (32, 1024))]
)
def test_the_dense_pass_has_whole_cells(height: int, width: int, size_hw: tuple[int, int]) -> None:
    """32 along the longest side, at least one along the other."""
    assert dense_size(height, width, 32) == size_hw


def test_a_dense_map_lies_on_the_embedding_as_the_image_does() -> None:
    """A wide image: the upper half of the square, red on the left; below is padding."""
    encoder = CropEncoder(lambda pixels: colours(pixels).clamp_min(0))

    dense = encoder.dense(red_left_green_right(), embedding(16, 32))

    assert dense.shape == (3, 4, 4)
    assert dense[0, :2].tolist() == [[1, 1, 0, 0]] * 2
    assert dense[1, :2].tolist() == [[0, 0, 1, 1]] * 2
    assert not dense[:, 2:].any()


def test_a_dense_map_of_a_tall_image_is_not_turned() -> None:
    """The same picture on its side: rows and columns change places."""
    encoder = CropEncoder(lambda pixels: colours(pixels).clamp_min(0))

    dense = encoder.dense(red_left_green_right().transpose(1, 0, 2), embedding(32, 16))

    assert dense[0, :, :2].tolist() == [[1, 1], [1, 1], [0, 0], [0, 0]]
    assert not dense[:, :, 2:].any()


def test_a_dense_map_can_be_compared_with_vectors() -> None:
    """In an image of one colour every cell is what a crop of it is."""
    image = np.full((16, 32, 3), (200, 90, 30), dtype=np.uint8)
    encoder = CropEncoder(colours, input_size=32)

    vectors = encoder.vectors(
        image, logits(16, 32, (slice(4, 12), slice(4, 12)))[None], embedding(16, 32), masked=False
    )

    cosines = torch.einsum("d,dhw->hw", vectors[0], encoder.dense(image, embedding(16, 32)))
    assert cosines[:2].flatten().tolist() == pytest.approx([1] * 8)


def test_a_coarse_map_is_read_between_its_cells() -> None:
    """Two cells on an image that fills the square: four columns, at their centres."""
    features = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])  # (2, 1, 2)

    dense = on_grid(features, embedding(64, 64))

    between = normalize(torch.tensor([0.75, 0.25]), dim=0)
    assert dense[:, 0, 0].tolist() == [1, 0]
    assert dense[:, 3, 1].tolist() == pytest.approx(between.tolist())
    assert dense[:, 3, 2].tolist() == pytest.approx(between.flip(0).tolist())


def test_only_an_encoder_with_words_reads() -> None:
    """The prompt is the one that such encoders were trained with; no name at all is any photo."""
    seen: list[str] = []

    def encode(text: str) -> Tensor:
        seen.append(text)
        return torch.tensor([3.0, 4.0])

    reader = CropEncoder(lambda pixels: pixels, words=Words(encode, scale=100))

    assert CropEncoder(lambda pixels: pixels).text_vector("fig") is None
    vector = reader.text_vector("dried_fig")
    reader.text_vector("")
    assert vector is not None
    assert vector.tolist() == pytest.approx([0.6, 0.8])
    assert seen == ["a photo of a dried fig", "a photo"]
    assert reader.text_scale == 100


def test_sam_averages_its_features_under_the_mask() -> None:
    """Cells (0, 0) and (0, 1) are covered, (0, 1) by half."""
    features = torch.zeros(2, 4, 4)
    features[:, 0, 0] = torch.tensor([4.0, 0.0])
    features[:, 0, 1] = torch.tensor([0.0, 6.0])
    features[:, 0, 2] = torch.tensor([9.0, 9.0])
    mask = torch.full((1, SIDE, SIDE), -1.0)
    mask[0, :4, :6] = 1

    vectors = SamSemantics().vectors(red_left_green_right(), mask, embedding(32, 64, features), masked=True)

    assert vectors[0].tolist() == pytest.approx([0.8, 0.6])


def test_sam_sees_a_mask_smaller_than_a_cell_and_nothing_in_an_empty_one() -> None:
    features = torch.zeros(2, 4, 4)
    features[0] = 1
    features[:, 1, 2] = torch.tensor([0.0, 5.0])
    masks = torch.full((2, SIDE, SIDE), -1.0)
    masks[0, 5, 9] = 1

    vectors = SamSemantics().vectors(red_left_green_right(), masks, embedding(32, 64, features), masked=True)

    assert vectors.tolist() == [[0, 1], [0, 0]]


def test_sam_gives_its_own_map() -> None:
    """Unit vectors where there is image, zeros in the padding."""
    features = torch.full((2, 4, 4), 3.0)

    dense = SamSemantics().dense(red_left_green_right(), embedding(16, 32, features))

    assert dense[:, :2].norm(dim=0).flatten().tolist() == pytest.approx([1] * 8)
    assert not dense[:, 2:].any()
    assert SamSemantics().text_vector("fig") is None
