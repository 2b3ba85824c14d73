"""MobileSAM's prompt encoder and mask decoder: from their ONNX file to a transformers ``SamModel``.

Most weights kept their names in the ONNX file. The export folded the others into constants that only their
place in the graph tells: the weights of linear layers (transposed, before the ``Add`` of a named bias), the
scales and shifts of the 2D layer norms, the embedding for "no mask" and the IoU and mask tokens.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamVisionConfig

from backend.checkpoints.errors import DamagedDownloadError

NORM_NODE = re.compile(r"/(mask_downscaling|output_upscaling)/\1\.(\d)/(Mul|Add_1)$")

RENAMES = [
    (r"norm_final_attn", "layer_norm_final_attn"),
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"output_upscaling\.0", "upscale_conv1"),
    (r"output_upscaling\.1", "upscale_layer_norm"),
    (r"output_upscaling\.3", "upscale_conv2"),
    (r"mask_downscaling\.0", "mask_embed.conv1"),
    (r"mask_downscaling\.1", "mask_embed.layer_norm1"),
    (r"mask_downscaling\.3", "mask_embed.conv2"),
    (r"mask_downscaling\.4", "mask_embed.layer_norm2"),
    (r"mask_downscaling\.6", "mask_embed.conv3"),
    (r"point_embeddings", "point_embed"),
    (r"pe_layer\.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
    (r"(output_hypernetworks_mlps\.\d|iou_prediction_head)\.layers\.0", r"\1.proj_in"),
    (r"(output_hypernetworks_mlps\.\d|iou_prediction_head)\.layers\.2", r"\1.proj_out"),
    (r"(output_hypernetworks_mlps\.\d|iou_prediction_head)\.layers\.1", r"\1.layers.0"),
]


def mobilesam_decoder(path: Path) -> SamModel:
    """MobileSAM's prompt encoder and mask decoder in a ``SamModel`` whose own vision encoder is empty.

    Args:
        path: the ONNX file of prompt encoder and mask decoder.

    Raises:
        DamagedDownloadError: the file lacks a weight, or has one that the model does not know.
    """
    graph = onnx.load(path).graph
    constants = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    weights = {_renamed(name): weight for name, weight in _weights(graph, constants)}
    model = _empty_model()
    result = model.load_state_dict(weights, strict=False)
    elsewhere = ("vision_encoder.", "shared_image_embedding.")  # not needed; tied to the prompt encoder's
    missing = [name for name in result.missing_keys if not name.startswith(elsewhere)]
    if missing or result.unexpected_keys:
        raise DamagedDownloadError(f"{path.name}: missing {missing}, unexpected {result.unexpected_keys}")
    return model


def _empty_model() -> SamModel:
    """SAM without layers in its vision encoder, with the epsilon that SAM's transformer was trained with."""
    vision = SamVisionConfig(
        num_hidden_layers=0, hidden_size=32, num_attention_heads=1, global_attn_indexes=[]
    )
    decoder = SamMaskDecoderConfig(layer_norm_eps=1e-5)
    return SamModel(SamConfig(vision_config=vision.to_dict(), mask_decoder_config=decoder.to_dict())).eval()


def _weights(graph: onnx.GraphProto, constants: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Every weight under the name it has in SAM's own code."""
    for name, weight in constants.items():
        if not name.startswith("onnx::"):
            yield name.removeprefix("model."), weight
    linear = None
    for node in graph.node:
        name = next((name for name in node.input if name in constants), "")
        if name.startswith("onnx::") and node.op_type == "MatMul":
            linear = constants[name].T.contiguous()
        elif name.startswith("onnx::"):
            yield from _folded(node, constants[name])
        elif name.endswith(".bias") and node.op_type == "Add" and linear is not None:
            yield name.removeprefix("model.").replace(".bias", ".weight"), linear
            linear = None


def _folded(node: onnx.NodeProto, constant: Tensor) -> Iterator[tuple[str, Tensor]]:
    """A weight that the export turned into a nameless constant, named after the node that uses it."""
    norm = NORM_NODE.match(node.name)
    if norm:
        layer, index, operation = norm.groups()
        part = "prompt_encoder" if layer == "mask_downscaling" else "mask_decoder"
        kind = "weight" if operation == "Mul" else "bias"
        yield f"{part}.{layer}.{index}.{kind}", constant.flatten()
    elif node.op_type == "Mul":
        yield "prompt_encoder.no_mask_embed.weight", constant.reshape(1, -1)
    elif node.op_type == "Expand":
        yield "mask_decoder.iou_token.weight", constant[0, :1]
        yield "mask_decoder.mask_tokens.weight", constant[0, 1:]


def _renamed(name: str) -> str:
    """Transformers' name for a weight of SAM."""
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    return name
