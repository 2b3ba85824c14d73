"""The names of our keys in Redis, and how long they live when nobody touches them.

What is computed can be rebuilt from Label Studio by one sync per project, so all of it may expire or be lost.
What people chose on the status page (excluded annotations, a generation made current) they have to choose
again.
"""

from dataclasses import dataclass

PROJECTS = "oneshot:projects"  # sorted set: project id -> time of its last change
BREAKER = "oneshot:breaker"  # hash: reason, since, until, failures; exists while Label Studio is down
PROBE_LOCK = "oneshot:probe-lock"  # string: one worker at a time asks whether Label Studio is back
COUNTERS = "oneshot:counters"  # hash: name -> sum since Redis was empty
OTHERS = "oneshot:others"  # set: projects that have no ML backend of ours, looked at lately
OTHERS_SECONDS_TO_LIVE = 24 * 3600
LATE_SYNCS = "oneshot:late-syncs"  # sorted set: project id -> when a sync of it is due
RECONCILED = "oneshot:reconciled"  # string: exists until the next reconciliation is due
WORKER = "oneshot:worker:{}"  # hash of one worker: host, pid, rss_bytes, max_rss_bytes, project_id, since
WORKER_SECONDS_TO_LIVE = 60
SECONDS_TO_LIVE = 30 * 24 * 3600


@dataclass(frozen=True)
class ProjectKeys:
    """The keys of one project.

    All but ``project``, the syncs and what is kept of its generations speak of the current generation.
    """

    project_id: int

    @property
    def project(self) -> str:
        """Hash: title, model_version, references, reason, error, synced_at, config, pace."""
        return f"oneshot:project:{self.project_id}"

    @property
    def tasks(self) -> str:
        """Hash: task id -> JSON of its state."""
        return f"oneshot:tasks:{self.project_id}"

    @property
    def counts(self) -> str:
        """Hash: state -> number of tasks."""
        return f"oneshot:counts:{self.project_id}"

    @property
    def recent(self) -> str:
        """Sorted set: the last tasks that changed."""
        return f"oneshot:recent:{self.project_id}"

    @property
    def failed(self) -> str:
        """Sorted set: the tasks that failed."""
        return f"oneshot:failed:{self.project_id}"

    @property
    def limited(self) -> str:
        """Sorted set: the tasks in which a bound ended the search early."""
        return f"oneshot:limited:{self.project_id}"

    @property
    def pending(self) -> str:
        """List: the queued tasks that no job carries yet."""
        return f"oneshot:pending:{self.project_id}"

    @property
    def carriers(self) -> str:
        """Hash: job id -> JSON of its time and its tasks."""
        return f"oneshot:carriers:{self.project_id}"

    @property
    def run(self) -> str:
        """Hash: state, reason, asked_at, started_at, ended_at, and how far its list is read: the scripts."""
        return f"oneshot:run:{self.project_id}"

    @property
    def warm_up(self) -> str:
        """Hash: token, job, state, done, failed, left."""
        return f"oneshot:warmup:{self.project_id}"

    @property
    def generations(self) -> str:
        """Hash: model version -> JSON of what the generation is made of."""
        return f"oneshot:generations:{self.project_id}"

    def learned(self, name: str) -> str:
        """String: JSON of what was learned from the reviewed annotations that *name* digests."""
        return f"oneshot:learned:{self.project_id}:{name}"

    @property
    def learns_from(self) -> str:
        """String: from how many corrections the sync that holds the lock learns."""
        return f"oneshot:learns-from:{self.project_id}"

    @property
    def untaught(self) -> str:
        """String: the model version whose lessons a job has missed a moment ago."""
        return f"oneshot:untaught:{self.project_id}"

    @property
    def wishes(self) -> str:
        """Hash: count, asked, pin, pin_before, pinned_over, missing, uncounted: what people want of them."""
        return f"oneshot:wishes:{self.project_id}"

    @property
    def excluded(self) -> str:
        """Set: annotations that are not to teach."""
        return f"oneshot:excluded:{self.project_id}"

    @property
    def sync(self) -> str:
        """String: the sync that waits, as ``<job id> <time>``."""
        return f"oneshot:sync:{self.project_id}"

    @property
    def sync_lock(self) -> str:
        """String: held while a sync runs."""
        return f"oneshot:sync-lock:{self.project_id}"

    def of_tasks(self) -> list[str]:
        """List the keys that the scripts on tasks take, in their order."""
        own = [self.project, self.tasks, self.counts, self.recent, self.failed, self.limited]
        return [*own, self.pending, self.carriers, self.run, PROJECTS]
