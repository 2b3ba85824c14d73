"""What can go wrong in the demo.

DemoError
├── DemoSetupError       something the demo needs is not there
├── DemoProcessError     a program it started ended, or did not answer in time
└── DemoOutcomeError     it ran, and the result is not the expected one
"""


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


class DemoSetupError(DemoError):
    """Something the demo needs is missing: an environment, a folder of images, a free port."""


class DemoProcessError(DemoError):
    """A program the demo started ended, or did not answer in time."""


class DemoOutcomeError(DemoError):
    """The demo ran to its end, and what came out is not what must come out."""
