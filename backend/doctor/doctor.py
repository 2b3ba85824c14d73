"""Everything that a doctor looks at, in the order of the way from Label Studio to the predictions."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack

from backend.doctor.examination import Examination, Finding, Found
from backend.doctor.host import look_at_settings, open_weights
from backend.doctor.label_studio import (
    look_at_addresses,
    look_at_backends,
    look_at_rights,
    look_at_webhook,
    reach_label_studio,
    read_project,
)
from backend.doctor.project import (
    Corrections,
    find_corrections,
    find_references,
    images_of,
    look_at_config,
    look_at_images,
)
from backend.doctor.queue import (
    look_at_memory,
    look_at_persistence,
    look_at_sharing,
    look_at_workers,
    reach_redis,
)
from backend.doctor.versions import look_at_run, look_at_versions
from backend.labelstudio.client import LabelStudio, Project
from backend.labelstudio.connections import MlBackend
from backend.settings import Settings


def examine(
    settings: Settings,
    project_id: int | None = None,
    *,
    environment: Iterable[str] = (),
    show: Callable[[list[Finding]], None] = lambda _: None,
) -> Examination:
    """Look at everything; changes nothing but what Label Studio itself notes when it is asked.

    Args:
        settings: as the workers have them.
        project_id: whose connections, reference and images are looked at; None: only what all projects share.
        environment: the names of this process's variables.
        show: is given the findings of each look at once.
    """
    examination, given = Examination(show), Found("settings", (settings,))
    look = examination.look
    with ExitStack() as stack:
        look("settings", lambda notes, own: look_at_settings(notes, own, environment), given)
        client = look("Label Studio", reach_label_studio, given)
        for reached in client.values:
            stack.callback(reached.close)
        project = look("project", lambda notes, reached: read_project(notes, reached, project_id), client)
        if project_id is not None:
            look("rights", look_at_rights, client, project)
        backends = _look_at_connections(examination, given, client, project, project_id)
        redis = look("Redis", lambda notes, own: reach_redis(notes, own.redis_url), given)
        for connection in redis.values:
            stack.callback(connection.close)
        look("Redis memory", look_at_memory, redis)
        look("Redis on disk", look_at_persistence, redis)
        shared = redis
        if project_id is not None:
            shared = look("shared queue", look_at_sharing, redis, project, backends)
        look("workers", look_at_workers, redis)
        look("weights", open_weights, given)
        if project_id is not None:
            controls = look("label config", look_at_config, project, given)
            images = Found(
                client.check, tuple(images_of(settings, each.authorisation, redis) for each in client.values)
            )
            look("images", look_at_images, client, project, controls, images)
            found = look("corrections", find_corrections, given, client, project, redis)
            corrections = Found(found.check, found.values or (Corrections(),))
            picks = look("reference", find_references, client, project, controls, images, corrections, given)
            look("versions", look_at_versions, given, project, controls, picks, backends, shared)
            look("run", look_at_run, redis, project)
    return examination


def _look_at_connections(
    examination: Examination,
    given: Found[Settings],
    client: Found[LabelStudio],
    project: Found[Project],
    project_id: int | None,
) -> Found[list[MlBackend]]:
    """How Label Studio reaches our web process; without a project, whether it may reach private addresses."""
    look = examination.look
    backends: Found[list[MlBackend]] = Found("project", ())
    if project_id is not None:
        backends = look("backend", look_at_backends, client, project, given)
    known = Found("backend", backends.values or ([],))
    look(
        "backend address",
        lambda notes, *found: look_at_addresses(notes, found[0], "backend", found[1]),
        client,
        known,
    )
    look(
        "events' address",
        lambda notes, *found: look_at_addresses(notes, found[0], "webhook", found[1]),
        client,
        known,
    )
    if project_id is not None:
        look("webhook", look_at_webhook, client, project, backends, given)
    return backends
