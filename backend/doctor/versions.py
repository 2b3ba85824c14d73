"""Whether Label Studio, web process and workers speak of the same generation, and how its run goes."""

from collections.abc import Sequence

from redis import Redis

from backend.doctor.examination import Notes
from backend.jobs.generations import Generations
from backend.jobs.progress import Progress
from backend.jobs.queue import JobQueue
from backend.jobs.runs import Runs
from backend.jobs.snapshot import project_snapshot
from backend.jobs.version import checkpoint_slug, model_version
from backend.labelstudio.client import Project
from backend.labelstudio.connections import MlBackend
from backend.labelstudio.label_config import Control
from backend.labelstudio.origin import OUR_VERSIONS
from backend.labelstudio.references import PickedReferences
from backend.settings import Settings

_RUN_AGAIN = "do what it says, then press Run on the status page"


def expected_version(settings: Settings, picked: PickedReferences, controls: Sequence[Control]) -> str:
    """The version that a worker with these settings computes of these annotations."""
    checkpoint = checkpoint_slug(settings.oneshot_sam)
    if not picked.by_label:
        return model_version(checkpoint)
    from backend.worker.generation import generation_version
    from backend.worker.output_options import output_options
    from backend.worker.search_options import search_options

    return generation_version(
        picked.by_label,
        controls,
        checkpoint=checkpoint,
        semantics=settings.oneshot_semantics,
        search=search_options(settings),
        output=output_options(settings),
        more=picked.more,
    )


def look_at_versions(
    notes: Notes,
    settings: Settings,
    project: Project,
    controls: Sequence[Control],
    picks: Sequence[PickedReferences],
    backends: Sequence[MlBackend],
    connection: Redis,
) -> None:
    """Compare what is computed here with what the queue, ``/setup`` and the project say.

    Of *picks* the last is what the workers make a generation of now; those before may still be current.
    """
    *earlier, expected = (expected_version(settings, picked, controls) for picked in picks)
    noted = Progress(connection).model_version(project.id)
    said = [backend.model_version for backend in backends if backend.is_connected]
    strange = [version for version in said if not version.startswith(OUR_VERSIONS)]
    if strange:
        notes.wrong(
            f"/setup of the connected model says {strange[0]!r}: it is not this backend",
            "correct the address in Settings, Model to that of `oneshot web`",
        )
        return
    none = model_version(checkpoint_slug(settings.oneshot_sam))
    if any(version != (noted or none) for version in said):
        notes.wrong(
            f"/setup says {said[0]}, but the queue at REDIS_URL holds {noted or none}",
            "give `oneshot web` and this command the same REDIS_URL and ONESHOT_SAM",
        )
    elif (noted or none) in (expected, *earlier):
        notes.well(f"worker, /setup and queue agree on {noted or none}")
    elif (learned := _learned(connection, project.id, noted)) is not None:
        notes.well(f"worker, /setup and queue agree on {noted}, {learned}")
    elif JobQueue(connection).sync_waits(project.id):
        notes.warn(
            f"{noted or none} is current, {expected} comes: a sync waits to be done",
            "run this again in a moment; if it stays so, no worker takes it",
        )
    elif refusal := _refusal(connection, project.id, picks[-1]):
        say = notes.warn if noted else notes.wrong
        say(
            f"{noted or none} is current, not {expected}, for the workers cannot use a reference: {refusal}",
            "paint another object, or the same one in another image, and press Submit",
        )
    elif not noted or noted.rpartition("-")[0] == expected.rpartition("-")[0]:
        notes.wrong(
            f"{noted or none} is current, but these annotations and settings make {expected}",
            f"run `oneshot prelabel --project {project.id}`; if it comes back, the workers' settings differ",
        )
    else:
        notes.wrong(
            f"the workers made {noted} with another checkpoint than ONESHOT_SAM={settings.oneshot_sam} here",
            "give `oneshot web`, all workers and this command the same ONESHOT_SAM",
        )
    _look_at_project(notes, project, backends, noted)


def _learned(connection: Redis, project_id: int, noted: str | None) -> str | None:
    """Why the current generation need not be the one that the first annotations make; None: it need."""
    for note in Generations(JobQueue(connection)).list(project_id):
        if note.version == noted and note.pinned:
            return "which a person has made current"
        if note.version == noted and note.evidence:
            return f"which learned from {len(note.evidence)} corrected tasks"
    return None


def _refusal(connection: Redis, project_id: int, picked: PickedReferences) -> str | None:
    """Why the last sync could not use one of *picked*; None if it used all, or did not know them."""
    found = project_snapshot(connection, project_id) or {}
    told = [found.get("reason") or "", *found.get("warnings", [])]
    unusable = [
        f"annotation {each.annotation_id} of task {each.task_id} cannot serve: " for each in picked.everything
    ]
    return next((text for text in told if any(each in text for each in unusable)), None)


def _look_at_project(
    notes: Notes, project: Project, backends: Sequence[MlBackend], noted: str | None
) -> None:
    """Which predictions the label stream shows: those of a backend by its title, or of one version."""
    titles = {backend.title for backend in backends}
    if not project.model_version:
        notes.warn(
            "the project shows no predictions to annotators",
            "Settings, Annotation: tick `Use predictions to prelabel tasks` and choose this model",
        )
    elif project.model_version not in titles | {noted}:
        notes.warn(
            f"the project shows the predictions of {project.model_version!r}, not the current ones",
            "Settings, Annotation: choose this model under `Use predictions to prelabel tasks`",
        )


def look_at_run(notes: Notes, connection: Redis, project: Project) -> None:
    """How far the run is, and why its failed tasks failed."""
    run = Runs(JobQueue(connection)).run(project.id)
    found = project_snapshot(connection, project.id) or {}
    if found.get("error"):
        notes.wrong(f"the last sync failed: {found['error']}", _RUN_AGAIN)
    for failure in found.get("failures", [])[:3]:
        notes.warn(
            f"{failure['count']} failed: {failure['reason']}",
            f"mend that, then `oneshot prelabel --project {project.id} --retry-failed`",
        )
    if run is None:
        notes.well("none yet")
        return
    counts = ", ".join(f"{count} {state}" for state, count in sorted(run.counts.items()) if count)
    told = f"{run.state}: {counts or 'no tasks'}"
    if run.state == "cancelled":
        notes.warn(told, f"`oneshot prelabel --project {project.id}` goes on with it")
    elif run.state == "failed":
        notes.wrong(f"{told}: {run.reason}", _RUN_AGAIN)
    else:
        notes.well(told)
