"""What can go wrong between the web process and the workers.

::

    JobsError
    ├── PayloadError
    ├── QueueUnavailableError
    └── SyncBusyError
"""


class JobsError(Exception):
    """Something about the queue or a job."""


class PayloadError(JobsError):
    """A job's arguments are not what the job takes."""


class QueueUnavailableError(JobsError):
    """Redis does not answer; nothing was queued."""


class SyncBusyError(JobsError):
    """Another sync of the same project runs; this one must wait for its turn."""
