"""What the core asks of a SAM's network, by the names that transformers gives its parts."""

from typing import Any, Protocol

from torch import Tensor


class SamNetwork(Protocol):
    """Prompt encoder and mask decoder of any family: a transformers model, or modules with the same names.

    No class of transformers is imported for this: that takes longer than all else at a worker's start, and
    MobileSAM comes without.
    """

    @property
    def config_class(self) -> Any:  # noqa: ANN401 - transformers has no types; it has a ``model_type``
        """The class of its configuration."""
        ...

    @property
    def prompt_encoder(self) -> Any:  # noqa: ANN401
        """Points, boxes and masks to tokens."""
        ...

    @property
    def mask_decoder(self) -> Any:  # noqa: ANN401
        """The weights that a ``Decoder`` computes with."""
        ...

    def get_image_wide_positional_embeddings(self) -> Tensor:
        """Positional encoding of every cell of the padded square, (1, C, h, w) float."""
        ...
