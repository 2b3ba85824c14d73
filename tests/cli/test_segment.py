"""``oneshot segment`` on the real weights: coins in, coins out."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from pycocotools.coco import COCO

from backend.cli.main import main
from backend.evaluation.coins import coin_ids, coins_image
from backend.evaluation.matching import match_instances
from backend.evaluation.rle import encode

ROW = (slice(0, 90), slice(0, 384))  # the upper six coins
BARE = (slice(76, 102), slice(62, 242))
REFERENCE_COIN = 2


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coins as a person has them: a photograph, a mask, and files that are no use."""
    folder = tmp_path_factory.mktemp("coins")
    image, ids = coins_image(), coin_ids()
    Image.fromarray(image[ROW]).save(folder / "row.png")
    Image.fromarray(image[BARE]).save(folder / "bare.png")
    Image.fromarray(((ids[ROW] == REFERENCE_COIN) * 255).astype(np.uint8)).save(folder / "mask.png")
    Image.new("L", (384, 90)).save(folder / "empty.png")
    Image.new("L", (90, 384), 1).save(folder / "turned.png")
    (folder / "text.png").write_text("no image")
    return folder


def segment(files: Path, *arguments: str, mask: str = "mask.png", out: str = "out") -> Result:
    """Run the command with the coin as reference."""
    options = ["--reference", str(files / "row.png"), "--mask", str(files / mask), "--out", str(files / out)]
    return CliRunner().invoke(main, ["segment", *options, *arguments])


@pytest.fixture(scope="module")
def result(files: Path, weights: Path) -> Result:  # noqa: ARG001 - fetched before
    """One run over a good, a bare, a broken and a missing image."""
    names = ("row.png", "text.png", "bare.png", "gone.png")
    return segment(files, "--label", "coin", *(str(files / name) for name in names))


@pytest.mark.weights
def test_every_image_is_told_and_a_bad_one_does_not_stop_the_others(result: Result, files: Path) -> None:
    lines = result.output.splitlines()

    assert result.exit_code == 1
    assert f"{files / 'row.png'}: 6 coin" in lines
    assert f"{files / 'bare.png'}: no instance found" in lines
    assert any(line.startswith(f"{files / 'text.png'}: failed: ") for line in lines)
    assert f"{files / 'gone.png'}: failed: cannot be read: No such file or directory" in lines
    assert lines[-1].startswith("Error: 2 of 4 images could not be segmented")


@pytest.mark.weights
@pytest.mark.usefixtures("result")
def test_predictions_are_coco_and_their_masks_lie_on_the_coins(files: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(files / "out" / "predictions.json"))

    by_name = {image["file_name"]: image for image in coco.imgs.values()}
    row = by_name[str(files / "row.png")]
    found = coco.imgToAnns[row["id"]]
    ids = coin_ids()[ROW]
    match = match_instances(
        [annotation["segmentation"] for annotation in found],
        [encode(ids == number) for number in range(1, 7)],
    )
    assert (row["width"], row["height"]) == (384, 90)
    assert (len(match.pairs), match.false, match.missed) == (6, (), ())
    assert min(iou for *_, iou in match.pairs) > 0.8
    assert all(0 <= annotation["score"] <= 1 for annotation in found)
    assert all(-1 <= annotation["similarity"] <= 1 for annotation in found)
    assert [category["name"] for category in coco.cats.values()] == ["coin"]


@pytest.mark.weights
@pytest.mark.usefixtures("result")
def test_each_image_has_an_overlay_and_nothing_else_is_written(files: Path) -> None:
    out = files / "out"
    images = json.loads((out / "predictions.json").read_text())["images"]

    assert sorted(path.name for path in out.iterdir()) == ["overlays", "predictions.json"]
    assert sorted(path.name for path in (out / "overlays").iterdir()) == ["bare.png", "row.png"]
    with Image.open(out / images[0]["overlay"]) as overlay:
        assert overlay.width > 1000


@pytest.mark.weights
@pytest.mark.usefixtures("weights")
def test_finding_nothing_is_a_normal_answer(files: Path) -> None:
    result = segment(files, str(files / "bare.png"), out="nothing")

    assert result.exit_code == 0, result.output
    assert "no instance found" in result.output
    assert json.loads((files / "nothing" / "predictions.json").read_text())["annotations"] == []


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("empty.png", "empty.png: the mask is empty"),
        ("turned.png", "the mask is 90 x 384 pixels, its image 384 x 90"),
        ("text.png", "text.png: cannot be read as an image"),
        ("gone.png", "gone.png: no such file"),
    ],
)
def test_a_mask_that_cannot_be_used_is_one_line(files: Path, mask: str, message: str) -> None:
    result = segment(files, str(files / "row.png"), mask=mask, out="refused")

    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.splitlines()) == 1
    assert not (files / "refused").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mask", "b.png"], "expected a --mask for each --reference, got 1 references and 2 masks"),
        (["--label", "a", "--label", "b"], "expected one --label, or one for each of 1 references, got 2"),
        (["--label", " "], "expected a --label that is not empty"),
    ],
)
def test_options_that_do_not_pair_up_are_bad_usage(files: Path, arguments: list[str], message: str) -> None:
    result = segment(files, *arguments, str(files / "row.png"))

    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
