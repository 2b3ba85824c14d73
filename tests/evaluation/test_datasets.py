"""Loading data sets, and what is said about broken ones."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.evaluation.datasets import load_dataset, open_dataset, read_ids
from backend.evaluation.errors import DatasetError

WriteDataset = Callable[..., Path]


def test_images_come_by_name_with_their_masks(write_dataset: WriteDataset) -> None:
    folder = write_dataset({"b": ("g", {1: "fig", 3: "date"}), "a": ("g", {2: "fig"})})

    dataset = load_dataset(folder)

    assert [image.name for image in dataset.images] == ["a", "b"]
    image = dataset.images[1]
    assert image.pixels().shape == (20, 40, 3)
    assert list(image.masks("date")) == [3]
    assert np.argwhere(image.masks("date")[3]).min(axis=0).tolist() == [0, 10]


def test_coins_is_built_in() -> None:
    dataset = open_dataset("coins")

    assert len(dataset.images[0].masks("coin")) == 24
    assert dataset.tests_reference_image


def test_palette_images_count_by_index(tmp_path: Path) -> None:
    """The colours of a palette say nothing."""
    image = Image.new("P", (4, 3))
    image.putpalette([255, 255, 255, 0, 0, 0, 9, 9, 9])
    image.putpixel((3, 2), 2)
    image.save(tmp_path / "ids.png")

    assert read_ids(tmp_path / "ids.png").tolist() == [[0] * 4, [0] * 4, [0, 0, 0, 2]]


def test_more_than_255_instances_fit_in_16_bits(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 256], [300, 0]], dtype=np.uint16)).save(tmp_path / "ids.png")

    assert read_ids(tmp_path / "ids.png").max() == 300


def test_a_folder_without_meta_says_what_a_data_set_is(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"meta\.json.*`coins`, or a folder with images/NAME\.jpg"):
        open_dataset(str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object `images`"),
        ('{"images": {}}', "expected an object `images`"),
        ('{"images": {"a": 3}}', r"images\.a: expected an object `instances`"),
        (
            '{"images": {"a": {"instances": {"0": "fig"}}}}',
            "expected an id above 0 and a class, got '0': 'fig'",
        ),
        ('{"images": {"a": {"instances": {"1": 7}}}}', "expected an id above 0 and a class, got '1': 7"),
        ('{"images": {"a": {"instances": {"1": "fig"}, "group": 1}}}', "group: expected a string, got 1"),
        ('{"images": {"a": {"instances": {"2": "fig"}}}}', r"only in one of both: \[1, 2\]"),
        ('{"images": {"z": {"instances": {"2": "fig"}}}}', "expected one image file, found 0"),
    ],
)
def test_a_wrong_meta_file_is_refused(write_dataset: WriteDataset, meta: str, message: str) -> None:
    folder = write_dataset({"a": ("g", {1: "fig"})})
    (folder / "meta.json").write_text(meta)

    with pytest.raises(DatasetError, match=message):
        load_dataset(folder)


def test_masks_of_another_size_are_refused(write_dataset: WriteDataset) -> None:
    folder = write_dataset({"a": ("g", {1: "fig"})})
    Image.new("L", (20, 40), 1).save(folder / "instances" / "a.png")

    with pytest.raises(DatasetError, match=r"expected the size of a\.jpg, \(20, 40\), got \(40, 20\)"):
        load_dataset(folder)


def test_colour_masks_are_refused(write_dataset: WriteDataset) -> None:
    """Which colour would be which instance is a guess."""
    folder = write_dataset({"a": ("g", {1: "fig"})})
    Image.new("RGB", (40, 20)).save(folder / "instances" / "a.png")

    with pytest.raises(DatasetError, match="expected one whole number per pixel"):
        load_dataset(folder)


def test_broken_files_are_named(write_dataset: WriteDataset) -> None:
    folder = write_dataset({"a": ("g", {1: "fig"})})
    (folder / "images" / "a.jpg").write_text("not an image")

    with pytest.raises(DatasetError, match=r"images/a\.jpg: cannot be read as an image"):
        load_dataset(folder)


def test_groups_are_optional(write_dataset: WriteDataset) -> None:
    folder = write_dataset({"a": ("g", {1: "fig"})})
    (folder / "meta.json").write_text(json.dumps({"images": {"a": {"instances": {"1": "fig"}}}}))

    assert load_dataset(folder).images[0].group == "-"
