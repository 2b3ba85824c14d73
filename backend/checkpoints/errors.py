"""What can go wrong between the name of a checkpoint and an open model. Each message carries the way out.

CheckpointError
├── CheckpointFetchError
│   ├── NpmMissingError
│   └── DamagedDownloadError
├── UnusableCheckpointError
└── UnusableDeviceError
"""

MAKE_ANEW = "Run `oneshot checkpoints fetch`, which makes it anew"  # for a broken file of MobileSAM


class CheckpointError(Exception):
    """A checkpoint cannot be had or cannot be opened."""


class CheckpointFetchError(CheckpointError):
    """The download failed."""


class NpmMissingError(CheckpointFetchError):
    """The download needs npm, and there is none."""


class DamagedDownloadError(CheckpointFetchError):
    """What was downloaded is not what was published."""


class UnusableCheckpointError(CheckpointError):
    """The checkpoint is missing, broken or of another architecture."""


class UnusableDeviceError(CheckpointError):
    """The device is not there."""
