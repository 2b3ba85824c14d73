"""What can go wrong in the vision core. Finding nothing is not an error.

VisionError
├── ImageError
├── MaskSizeError
├── EmptyReferenceMaskError
├── EmbeddingError
├── PromptError
└── LearnedError
"""


class VisionError(Exception):
    """The vision core cannot work with what it was given."""


class ImageError(VisionError):
    """The image is not an RGB array of 8-bit pixels."""


class MaskSizeError(VisionError):
    """A mask and its image differ in size."""


class EmptyReferenceMaskError(VisionError):
    """The reference mask marks no object."""


class EmbeddingError(VisionError):
    """An image embedding contradicts itself or the model."""


class PromptError(VisionError):
    """The prompts of one decode do not fit together."""


class LearnedError(VisionError):
    """What was learned cannot be read."""
