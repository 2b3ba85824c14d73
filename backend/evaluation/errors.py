"""What can go wrong with what a person hands in to be measured or segmented.

EvaluationError
├── DatasetError       a data set is not laid out as it must be
├── MaskFileError      a mask file cannot be used
├── ImageFileError     an image file cannot be read
├── ReportFileError    a saved run cannot be compared with
└── OutputFileError    a result cannot be written
"""


class EvaluationError(Exception):
    """The work cannot go on; the message says what was expected, what was there and what to do."""


class DatasetError(EvaluationError):
    """A data set is not laid out as it must be, or holds nothing to measure on."""


class MaskFileError(EvaluationError):
    """A mask file is missing, unreadable, empty, or of another size than its image."""


class ImageFileError(EvaluationError):
    """An image file is missing or cannot be read."""


class ReportFileError(EvaluationError):
    """A file is missing, unreadable, or not the figures of a saved run."""


class OutputFileError(EvaluationError):
    """A result cannot be written where it should go."""
