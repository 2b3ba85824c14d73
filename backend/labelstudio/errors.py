"""What can go wrong on the wire.

LabelStudioError
├── TransientError                 trying again later may help
│   ├── LabelStudioUnavailableError
│   │   ├── NoAnswerError
│   │   └── UntrustedCertificateError
│   └── ImageUnavailableError
│       └── StorageFailedError
└── PermanentError                 trying again will not help
    ├── TokenRefusedError
    ├── NotFoundError
    ├── RequestRefusedError
    ├── PredictionRefusedError
    ├── LabelConfigError
    │   └── NoMaskControlError
    ├── RleError
    ├── RegionError
    ├── ImageRefusedError
    └── FetchRefusedError
"""


class LabelStudioError(Exception):
    """Anything that Label Studio, or what it refers to, did wrong."""


class TransientError(LabelStudioError):
    """Trying again later may help.

    Attributes:
        retry_after_s: seconds the other side asked to wait, or None.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LabelStudioUnavailableError(TransientError):
    """Label Studio is unreachable, too slow, overloaded or failing."""


class NoAnswerError(LabelStudioUnavailableError):
    """Label Studio does not answer in time, or hangs up: what it was asked for may still happen."""


class UntrustedCertificateError(LabelStudioUnavailableError):
    """Label Studio's certificate is of an authority that is not known here, or no longer valid."""


class ImageUnavailableError(TransientError):
    """The server of one image is unreachable, too slow, overloaded or failing."""


class StorageFailedError(ImageUnavailableError):
    """Label Studio cannot read its storage: that is down, or the image is gone; the answer does not tell."""


class PermanentError(LabelStudioError):
    """Trying again will not help."""


class TokenRefusedError(PermanentError):
    """Label Studio does not accept the API key, or its user may not do this."""


class NotFoundError(PermanentError):
    """Label Studio has no such project, task or file."""


class RequestRefusedError(PermanentError):
    """Label Studio calls the request wrong, or answers what cannot be understood."""


class PredictionRefusedError(PermanentError):
    """A prediction does not fit the project, or Label Studio stored fewer than were sent."""


class LabelConfigError(PermanentError):
    """The label config is not XML, or not one that can be used."""


class NoMaskControlError(LabelConfigError):
    """The label config has no control on an Image that holds masks."""


class RleError(PermanentError):
    """A brush mask is truncated, malformed or of another size than declared."""


class RegionError(PermanentError):
    """A region cannot be used: rotated, without a size, of another size than the image."""


class ImageRefusedError(PermanentError):
    """The bytes are no image, a broken one, or one over the limits."""


class FetchRefusedError(PermanentError):
    """The address may not be fetched, or what lies there is refused or gone."""
