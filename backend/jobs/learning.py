"""What a project has learned from reviews, as plain values for people and programs."""

from dataclasses import asdict
from typing import Any

from redis import Redis

from backend.jobs.agreement import Agreements, agreement_figures
from backend.jobs.generations import MOST_KEPT, GenerationNote, Generations
from backend.jobs.queue import JobQueue


def learning_snapshot(connection: Redis, project_id: int) -> dict[str, Any]:
    """Give the generations of a project, the newest first; what people kept; and what must not teach.

    Returns:
        ``generations``, each with its ``version``, when it was ``made_at`` (seconds since 1970), the
        annotations it has its ``references`` and ``evidence`` from, how many ``reviewed`` there were, how
        many of them it has ``seen``, and how many ``in_vain``, whether it is ``current``, and whether a
        person has ``pinned`` it, or has wanted it again without success, so that it is ``lost``;
        ``learner``: the ``job`` that learns at this moment, and from how many ``corrections``;
        ``uncounted``: reviews since the last sync; ``excluded`` annotations; the ``tasks`` of all these
        annotations; ``agreement`` of the last generations, the oldest first; ``problems``: why some reviews
        were not counted.
    """
    generations = Generations(JobQueue(connection))
    notes, learner = generations.list(project_id), generations.learner(project_id)
    found = agreement_figures(Agreements(connection).of_project(project_id))
    return {
        "generations": [_generation(note) for note in notes],
        "learner": asdict(learner) if learner else None,
        "uncounted": generations.uncounted(project_id),
        "excluded": sorted(generations.excluded(project_id)),
        "tasks": {str(annotation): task for note in notes for annotation, task in note.tasks.items()},
        "agreement": found["generations"][-MOST_KEPT:],
        "problems": found["problems"],
    }


def _generation(note: GenerationNote) -> dict[str, Any]:
    return {
        "version": note.version,
        "made_at": note.made_at,
        "references": [annotation for _, annotation in note.references],
        "evidence": list(note.evidence),
        "reviewed": note.reviewed,
        "seen": note.seen,
        "in_vain": note.in_vain,
        "current": note.current,
        "pinned": note.pinned,
        "lost": note.lost,
    }
