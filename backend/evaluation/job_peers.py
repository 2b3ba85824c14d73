"""Peers of a whole job: transformers' ``SamModel``, used as its own examples do, in the report's loop.

One image is encoded at a time, and one prompt decoded at a time (``cascade_peer``). All of them find with
MobileSAM's mask decoder, and decode images and write brush code as this program does. Two things differ:

- The image encoder. That of ``VIT_LOOP`` is ``SamModel``'s own, of the shape of facebook/sam-vit-base. Its
  weights are random, for MobileSAM's encoder is none that ``SamModel`` has: its time counts, what it says is
  thrown away, and the loop goes on with what MobileSAM's encoder says, which takes no time. So there are as
  many decodes as in a real search. The others have MobileSAM's encoder as it is published, in onnxruntime:
  the same weights throughout.
- The decodes of an instance. ``PERSAM_LOOP`` has PerSAM's three, the others one.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import SamConfig, SamModel

from backend.checkpoints.mobilesam import ENCODER_ONNX, fetch_mobilesam
from backend.checkpoints.sam import MOBILESAM
from backend.evaluation.cascade_peer import looped
from backend.evaluation.encoder_speed import published_encoder
from backend.evaluation.job_speed import Masks, Way
from backend.evaluation.search_speed import PeerModel, Stopwatch, peer_model
from backend.vision.reference import Reference
from backend.vision.sam import ImageEmbedding, Sam

VIT_LOOP, LOOP, PERSAM_LOOP = "SamModel's encoder, loop", "MobileSAM's ONNX, loop", "MobileSAM's ONNX, PerSAM"
FIRST_PEERS = (VIT_LOOP, LOOP)  # that this program is compared with
DEVIATION = 0.02  # of random weights; by transformers' own, numbers become too small to be computed with


def peer_ways(
    sam: str, reference: Reference, *, at_most: int, cache_dir: Path, device: str, threads: int
) -> list[Way]:
    """The peers' ways; none where *sam* is not MobileSAM, or not on a CPU.

    Args:
        sam: the checkpoint.
        reference: what they look for.
        at_most: bound on the instances that they look for in an image.
        cache_dir: folder for model weights.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: CPU threads of onnxruntime; 0: all cores.

    Raises:
        CheckpointError: weights that cannot be had or used, or a device that is not there.
    """
    model = peer_model(sam, cache_dir=cache_dir, device=device) if sam == MOBILESAM else None
    if model is None:
        return []
    published = Sam(model, published_encoder(fetch_mobilesam(cache_dir) / ENCODER_ONNX, threads))
    vit = vit_base()
    return [
        peer_way(VIT_LOOP, model, Sam(vit, vit.get_image_embeddings), reference, at_most, lender=published),
        peer_way(LOOP, model, published, reference, at_most),
        peer_way(PERSAM_LOOP, model, published, reference, at_most, refined=True),
    ]


def peer_way(
    name: str,
    model: PeerModel,
    sam: Sam,
    reference: Reference,
    at_most: int,
    *,
    refined: bool = False,
    lender: Sam | None = None,
) -> Way:
    """One peer's way.

    Args:
        name: for a person.
        model: that decodes, transformers' own.
        sam: that encodes.
        reference: what it looks for.
        at_most: bound on the instances that it looks for in an image.
        refined: three decodes an instance, as PerSAM does.
        lender: encodes what is decoded, where *sam* says nothing.
    """
    encoder = Stopwatch(sam, "embed")

    def search(image: NDArray[np.uint8], lent: ImageEmbedding | None) -> Masks:
        embedding = encoder.embed(image)
        return looped(model, sam, lent or embedding, reference, refined=refined, at_most=at_most)

    return Way(name, encoder, search, lender)


def vit_base() -> PeerModel:
    """A ``SamModel`` of the shape of facebook/sam-vit-base, with random weights."""
    model = SamModel(SamConfig(vision_config={"initializer_range": DEVIATION}))
    return model.eval().requires_grad_(requires_grad=False)
