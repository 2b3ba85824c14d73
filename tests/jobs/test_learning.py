"""What is told of a project's learning."""

import json

from redis import Redis

from backend.jobs.agreement import Agreement, Agreements, Cursor, GenerationAgreement, TaskAgreement
from backend.jobs.generations import Generations
from backend.jobs.learning import learning_snapshot
from backend.jobs.progress import Progress, ReferenceNote
from backend.jobs.queue import JobQueue
from backend.jobs.snapshot import project_snapshot


def test_nothing_is_known_of_a_new_project(connection: Redis) -> None:
    assert learning_snapshot(connection, 2) == {
        "generations": [], "learner": None, "uncounted": 0, "excluded": [], "tasks": {},
        "agreement": [], "problems": [],
    }  # fmt: skip


def test_generations_and_what_people_kept_are_told_as_plain_values(
    connection: Redis, queue: JobQueue, progress: Progress
) -> None:
    progress.set_generation(2, "v2", [ReferenceNote("Coin", 1, 7, 1)])
    generations = Generations(queue)
    generations.keep(2, "v1", references=[("Coin", 7)], in_vain=2, tasks={7: 1, 30: 6})
    generations.keep(2, "v2", references=[("Coin", 7)], evidence=(21, 24), reviewed=4, seen=3)
    generations.note_missing(2, None)
    generations.note_review(2)
    generations.make_current(2, "v2")
    for annotation in (30, 9):
        generations.exclude(2, annotation)
    kept = GenerationAgreement("v1", 5, 1, {"Coin": Agreement(1, kept=2, iou_sum=2.0)})
    agreements = Agreements(connection)
    agreements.put(2, [TaskAgreement(3, (kept,), problem="annotation 8: no size")], Cursor())
    agreements.add_up(2)

    project = project_snapshot(connection, 2)

    assert project is not None
    told = json.loads(json.dumps(project["learning"]))
    newest, oldest = told["generations"]
    assert newest["made_at"] >= oldest["made_at"]
    assert (newest["version"], newest["references"], newest["evidence"]) == ("v2", [7], [21, 24])
    assert (newest["current"], newest["pinned"], oldest["current"]) == (True, True, False)
    assert (newest["in_vain"], oldest["in_vain"]) == (0, 2)
    assert [(each["reviewed"], each["seen"]) for each in told["generations"]] == [(4, 3), (0, 2)]
    assert told["uncounted"] == 1
    assert told["tasks"] == {"7": 1, "30": 6}
    assert told["excluded"] == [9, 30]
    assert told["agreement"][0]["overall"]["kept"] == 2
    assert told["problems"] == ["annotation 8: no size"]
