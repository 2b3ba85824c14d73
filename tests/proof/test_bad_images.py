"""Images that cannot be read, spread through a run."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.annotator import Annotator
from tests.proof.conftest import NewProject
from tests.proof.project import check, png, wait_for_run
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio]

GOOD = png(np.full((40, 60, 3), 90, np.uint8))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
BAD = {
    "truncated.png": (GOOD[: len(GOOD) // 2], "truncated|broken|damaged"),
    "wide.png": (png(np.zeros((10, 20_000, 3), np.uint8)), "20000|20,000"),
    "vector.svg": (SVG, "SVG"),
    "text.png": (b"this is a text file", "got a text file"),
}
COPIES = 4


def test_bad_images_fail_alone_and_say_why(
    start: Callable[..., Stack], annotator: Annotator, new_project: NewProject
) -> None:
    """All others get their predictions, whatever job they share with a bad one."""
    bad = {f"{copy}-{name}": data for copy in range(COPIES) for name, (data, _) in BAD.items()}
    project = new_project("Bad images", others=bad)
    gone = [f"/data/upload/{project.id}/gone-{copy}.png" for copy in range(COPIES)]
    project.tasks += annotator.import_addresses(project.id, gone)
    stack = start()
    annotator.connect(project.id, stack.url)
    project.annotate()
    wait_for_run(stack, project)

    reasons = check(stack, project)
    names = project.image_names()
    expected = {name: words for name, (_, words) in BAD.items()} | {"gone": "404|gone|not found|no such"}
    for kind, words in expected.items():
        stem = kind.partition(".")[0]
        told = [reason for task, reason in reasons.items() if stem in names[task]]
        assert len(told) == COPIES, (kind, reasons)
        assert all(any(word in reason for word in words.split("|")) for reason in told), told
    assert len(reasons) == COPIES * len(expected)
