"""What can go wrong in the worker itself.

WorkerError
├── WorkerStartError        the worker cannot start; the message says what to do
├── PushBusyError           another worker pushes the same task's prediction; try again later
├── TasksLeftError          some tasks of a job must wait; try again later
├── GivenBackError          a job stops amid its work, to be begun anew
├── UntaughtError           what reviews taught is lost, and a sync is to learn it anew; try again later
└── StaleGenerationError    the project has other references by now; the work is moot
"""


class WorkerError(Exception):
    """Something about the worker process or its jobs."""


class WorkerStartError(WorkerError):
    """The worker cannot start; the message says what to do."""


class PushBusyError(WorkerError):
    """Another worker pushes the same task's prediction; trying again later helps."""


class TasksLeftError(WorkerError):
    """Some tasks of a job could not be done now; trying again later may help.

    Attributes:
        retry_after_s: seconds that another side asked to wait, or None.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class GivenBackError(WorkerError):
    """A job stops amid its work because its process is to end; another one begins it anew."""


class UntaughtError(WorkerError):
    """What reviews taught a generation is lost, and a sync is to learn it anew; trying again later helps."""


class StaleGenerationError(WorkerError):
    """The project has other references by now; what was computed is moot."""
