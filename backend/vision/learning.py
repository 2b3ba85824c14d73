"""Learning from review: what a person has corrected makes the rest better.

A reviewed image says of every candidate in it whether it was right: that teaches lessons, by label where
there is enough to go by, else for all labels together. Where much has to be mended all the same, SAM learns
to be asked otherwise.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence

from backend.vision.asking import asked_better
from backend.vision.edge_lessons import with_edges
from backend.vision.learned import Learned
from backend.vision.lessons import by_label, lessons, with_insets
from backend.vision.marked import Marked
from backend.vision.pipeline import Models, SearchOptions
from backend.vision.reference import Reference
from backend.vision.reviewed import Reviewed, keyed, looked_through


def learn(
    models: Models,
    references: Sequence[Reference],
    reviewed: Iterable[Reviewed],
    *,
    options: SearchOptions,
    step: Callable[[], object] = lambda: None,
) -> Learned:
    """Learn from reviewed images. The same images in the same order teach the same.

    Args:
        models: the networks.
        references: one or more per label, as the search has them.
        reviewed: gone through several times, one image at a time.
        options: as the search has them.
        step: called every now and then: the work goes on.

    Returns:
        What they taught; ``Learned()`` for none, or where nothing was worth it.
    """
    images: dict[Hashable, Marked] = {}
    for key, some in keyed(reviewed):
        step()
        seen = looked_through(models, references, some, options, examples=True, step=step)
        images |= {key: seen} if seen else {}
    known, labels = list(images.values()), sorted({reference.label for reference in references})
    before = by_label(known, labels, options, step)
    found = lessons(known, labels, before, options)
    if options.search == "sweep":
        better, images = asked_better(models, references, reviewed, images, before, options, step)
        found |= better
    found = with_insets(list(images.values()), labels, found, options)
    found = with_edges(models, references, reviewed, images, found, options, step)
    return Learned(dict(sorted(found.items())))
