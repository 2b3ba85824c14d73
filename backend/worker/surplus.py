"""Predictions that a task has twice: Label Studio stored one late, after it had been sent again."""

from backend.jobs.push_locks import PushLocks
from backend.worker.context import WorkerContext

_TASKS_AT_MOST = 1000  # with several predictions; they are few once those of older generations are removed


def remove_surplus(context: WorkerContext, project_id: int) -> int:
    """Leave the newest of the predictions of the project's generation where a task has several.

    Tasks that a person has annotated or begun to are left alone: Label Studio would forget what the
    annotation was made from. So are those that another worker is pushing.

    Returns:
        How many tasks had several.

    Raises:
        TransientError: Label Studio does not answer now.
        PermanentError: it refuses.
        QueueUnavailableError: Redis does not answer.
    """
    version = context.progress.model_version(project_id)
    if version is None:
        return 0
    tasks = context.label_studio.crowded_tasks(project_id, version, looked_at=_TASKS_AT_MOST)
    with PushLocks(context.connection, project_id, wait_s=0).hold(tasks) as held:
        for task_id in held.task_ids:
            context.label_studio.keep_newest_prediction(task_id, version)
    return len(held.task_ids)
