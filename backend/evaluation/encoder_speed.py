"""MobileSAM's image encoder against its ONNX file in onnxruntime: the same weights, the same images."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor

from backend.checkpoints.mobilesam import ENCODER, ENCODER_ONNX, fetch_mobilesam
from backend.checkpoints.mobilesam_encoder import INPUT_SIZE, MobileSamEncoder
from backend.checkpoints.precision import Precision, Wanted, choose_precision
from backend.evaluation.coins import coins_image
from backend.evaluation.speed import Timing, in_turn
from backend.vision.sam import preprocess, resized_size

PACKAGES = ("torch", "onnxruntime")
PEER = "onnxruntime float32"
SHAPES_HW = {"square": (300, 300), "4:3": (288, 384), "16:9": (216, 384)}  # cut out of the coins


def encoder_speed(cache_dir: Path, *, rounds: int, threads: int, precision: Wanted = "auto") -> list[Timing]:
    """Time both on the CPU, on pixels that are ready: in float32 and, last, in what workers compute with.

    Args:
        cache_dir: folder for model weights.
        rounds: how often each.
        threads: CPU threads of each; 0: all cores.
        precision: what workers are to compute with.
    """
    if threads:
        torch.set_num_threads(threads)
    folder, cpu = fetch_mobilesam(cache_dir), torch.device("cpu")
    numbers = {one.kind: one for one in (Precision(), choose_precision(cpu, precision))}
    published = published_encoder(folder / ENCODER_ONNX, threads)
    encoders: dict[str, Callable[[Tensor], object]] = {PEER: published}
    for kind, one in numbers.items():
        encoders[f"torch {kind}"] = MobileSamEncoder(folder / ENCODER, cpu, one.dtype, int8=one.int8)
    timings: list[Timing] = []
    for case, size_hw in SHAPES_HW.items():
        ways = {way: partial(encode, _pixels(size_hw)) for way, encode in encoders.items()}
        timings += in_turn(case, ways, rounds=rounds)
    return timings


def published_encoder(path: Path, threads: int) -> Callable[[Tensor], Tensor]:
    """MobileSAM's ONNX file in onnxruntime.

    Args:
        path: of the file.
        threads: CPU threads; 0: all cores.

    Returns:
        Normalised padded pixels (1, 3, 1024, 1024) float to features (1, 256, 64, 64) float.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda pixels: torch.from_numpy(session.run(None, {"input": pixels.numpy()})[0])


def _pixels(size_hw: tuple[int, int]) -> Tensor:
    height, width = size_hw
    return preprocess(coins_image()[:height, :width], resized_size(height, width, INPUT_SIZE), INPUT_SIZE)
