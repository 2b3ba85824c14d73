"""``oneshot benchmark queue``: what queue and push cost, and whether many tasks and projects go side by side.

Web process, workers and Valkey are the real ones. Two things are stood in for: the model, by a function that
burns a given time of one core (``benchmark_queue_worker.py``), and Label Studio, by a server that answers at
once (``benchmark_label_studio.py``): neither's own time is what is measured here.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backend.cli.benchmark_figures import Figure
from backend.cli.benchmark_label_studio import LABEL_CONFIG, TOKEN, StandIn, serve
from backend.cli.benchmark_queue_worker import Computing
from backend.cli.benchmark_web import CORES, Request, answer_ms, resident_mb, start_web, two_cores

if TYPE_CHECKING:
    from redis import Redis

    from backend.demo.processes import Child, Processes

ENQUEUED, BULK, FIRST, SECOND, *SCALED = range(1, 9)  # project ids; SCALED: one core twice, two cores twice
SIDE_SHARE = 20  # the smaller projects have one of so many tasks
FEWEST_TASKS = 60  # of any project
FEWEST_SIDE_BY_SIDE = 120
WARM_SHARE = 0.1  # of a run; then its memory counts as that at the start
LATE_SHARE = 0.9  # from then on nobody opens a task
LATER_SHARE = 0.1  # of the first project, when the second one comes
OPENED_AT_MOST = 40
OPENED_PAUSE_S = 3.0
POLL_S = 0.05
STUCK_S = 120.0
SYNC_S = 120.0
MB = 1e6


@click.command()
@click.option(
    "--tasks",
    default=10_000,
    show_default=True,
    type=click.IntRange(FEWEST_TASKS, 900_000),
    help="Tasks of the bulk run.",
)
@click.option(
    "--workers", default=2, show_default=True, type=click.IntRange(2, 64), help="Workers of the bulk run."
)
@click.option(
    "--model-ms",
    default=40.0,
    show_default=True,
    type=click.FloatRange(1, 60_000),
    help="Milliseconds of a core that the stand-in model takes for an image.",
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all figures."
)
def queue(*, tasks: int, workers: int, model_ms: float, json_file: Path | None) -> None:
    """Measure queue and workers on a project of many tasks, with a stand-in for the model and Label Studio.

    All processes share two cores. On a machine with other work to do, figures in wall time come out worse;
    those in CPU time hold.

    Example: oneshot benchmark queue --tasks 10000 --json queue.json
    """
    figures = queue_figures(tasks=tasks, workers=workers, model_ms=model_ms)
    missed = [figure.name for figure in figures if figure.missed]
    for figure in figures:
        click.echo(figure)
    if json_file is not None:
        content = {"tasks": tasks, "workers": workers, "model_ms": model_ms, "missed": missed}
        rows = [asdict(figure) | {"missed": figure.missed} for figure in figures]
        json_file.write_text(json.dumps({**content, "figures": rows}, indent=1) + "\n")
    if missed:
        raise click.exceptions.Exit(1)


def queue_figures(*, tasks: int, workers: int, model_ms: float) -> list[Figure]:
    """Measure, one run after the other: what each has to say is in its function."""
    from backend.demo.processes import Processes
    from backend.jobs.connection import connect

    few = max(FEWEST_TASKS, tasks // SIDE_SHARE)
    side_by_side = dict.fromkeys([FIRST, SECOND], max(FEWEST_SIDE_BY_SIDE, few))
    stand_in = StandIn({ENQUEUED: tasks, BULK: tasks, **side_by_side, **dict.fromkeys(SCALED, few)})
    with (
        two_cores(),
        tempfile.TemporaryDirectory() as name,
        serve(stand_in),
        Processes(Path(name)) as processes,
    ):
        web, port, redis_url = start_web(processes)
        with connect(redis_url) as connection:
            bench = Bench(stand_in, connection, processes, web, port, redis_url, model_ms)
            figures = enqueue_figures(bench)
            connection.flushdb()
            bench.start_workers(1)
            one = [speed(bench, project_id, cores=1) for project_id in SCALED[:2]]
            bench.start_workers(1)
            two = [speed(bench, project_id, cores=2) for project_id in SCALED[2:]]
            bench.start_workers(workers - len(bench.workers))
            figures += bulk_figures(bench)
            figures += fairness_figures(bench)
            figures += scaling_figures(one, two)
    return figures


class Bench:
    """The processes that are measured, and what is asked of them."""

    def __init__(
        self,
        label_studio: StandIn,
        connection: "Redis",
        processes: "Processes",
        web: "Child",
        port: int,
        redis_url: str,
        model_ms: float,
    ) -> None:
        from backend.jobs.queue import JobQueue
        from backend.jobs.runs import Runs

        self.label_studio = label_studio
        self.connection = connection
        self.web = web
        self.workers: list[Child] = []
        self.runs: Runs = Runs(JobQueue(connection))
        self._processes = processes
        self._port = port
        self._redis_url = redis_url
        self._model_ms = model_ms

    def start_workers(self, number: int) -> None:
        """Start more workers, and wait until they are listed."""
        environment = os.environ | {
            "REDIS_URL": self._redis_url,
            "LABEL_STUDIO_URL": self.label_studio.url,
            "LABEL_STUDIO_API_KEY": TOKEN,
            "OMP_NUM_THREADS": "1",
        }
        for _ in range(number):
            index = len(self.workers)
            command = [sys.executable, "-m", "backend.cli.benchmark_queue_worker"]
            options = ["--model-ms", str(self._model_ms), "--log", self._log(index)]
            projects = [str(project_id) for project_id in (BULK, FIRST, SECOND, *SCALED)]
            child = self._processes.start(
                f"worker-{index}", [*command, *map(str, options), *projects], environment=environment
            )
            self.workers.append(child)
            child.wait_until(lambda: self._listed() == len(self.workers), timeout_s=SYNC_S)

    def _listed(self) -> int:
        from rq.worker_registration import WORKERS_BY_QUEUE_KEY

        from backend.jobs.queue import PREDICT_QUEUE

        return int(self.connection.scard(WORKERS_BY_QUEUE_KEY % PREDICT_QUEUE))

    def _log(self, index: int) -> Path:
        return self._processes.log_dir / f"computed-{index}.txt"

    def computed(self, project_id: int) -> list[list[Computing]]:
        """Give what each worker has computed for a project."""
        return [
            [each for each in Computing.read(self._log(index)) if f"-{project_id}-" in f"-{each.job_id}"]
            for index in range(len(self.workers))
        ]

    def annotate(self, project_id: int) -> float:
        """Let a person submit the reference: as Label Studio tells it. Gives milliseconds of the answer."""
        annotation = {"id": 1, "result": []}
        event = {"action": "ANNOTATION_CREATED", "annotation": annotation, "project": {"id": project_id}}
        return self._ask("/webhook", event)

    def predict(self, project_id: int, task_ids: Sequence[int]) -> float:
        """Let a person open tasks. Gives milliseconds of the answer."""
        tasks = [{"id": task_id, "data": {"image": "/data/upload/1.jpg"}} for task_id in task_ids]
        return self._ask(
            "/predict", {"tasks": tasks, "project": f"{project_id}.1", "label_config": LABEL_CONFIG}
        )

    def _ask(self, path: str, body: object) -> float:
        return answer_ms(self._port, Request(path, "POST", path, json.dumps(body).encode()))

    def follow(self, project_id: int) -> Iterator[int]:
        """Give how many predictions are stored, again and again, until the run is finished.

        Raises:
            ClickException: nothing goes on, or the run leaves tasks without one prediction each.
        """
        total = len(self.label_studio.task_ids(project_id))
        stored, since = -1, time.monotonic()
        while stored < total or not self._finished(project_id):
            self._processes.require_running()
            now = sum(count for _, project, count in self.label_studio.stored if project == project_id)
            if now != stored:
                stored, since = now, time.monotonic()
                yield stored
            elif time.monotonic() - since > STUCK_S:
                raise click.ClickException(
                    f"expected the run to go on, but after {stored} of {total} tasks nothing came for "
                    f"{STUCK_S:g} s; the workers say:\n{self.workers[-1].last_log_lines()}"
                )
            time.sleep(POLL_S)
        wrong = [count for count in self.label_studio.predictions(project_id) if count != 1]
        if wrong:
            raise click.ClickException(
                f"expected one prediction for each of {total} tasks, but {len(wrong)} have {wrong[:5]}"
            )

    def _finished(self, project_id: int) -> bool:
        run = self.runs.run(project_id)
        return run is not None and run.state == "finished"

    @property
    def valkey_pid(self) -> int:
        """The process id of Valkey."""
        return int(self.connection.info("server")["process_id"])

    @property
    def pids(self) -> list[int]:
        """All processes that work on a task: this one answers for Label Studio."""
        workers = [child.process.pid for child in self.workers]
        return [os.getpid(), self.web.process.pid, self.valkey_pid, *workers]

    def memory_mb(self) -> dict[str, float]:
        """Give the resident memory of web process, Valkey and largest worker, and what Valkey's data take."""
        from backend.jobs.keys import ProjectKeys

        kept = ProjectKeys(BULK).of_tasks()
        return {
            "web": resident_mb(self.web.process.pid),
            "worker": max(resident_mb(child.process.pid) for child in self.workers),
            "valkey": resident_mb(self.valkey_pid),
            "data": int(self.connection.info("memory")["used_memory"]) / MB,
            "tasks": sum(int(self.connection.memory_usage(key, samples=0) or 0) for key in kept) / MB,
        }

    def cpu_s(self) -> dict[str, float]:
        """Give the seconds of a core that each role has had so far."""
        return {
            "label_studio": cpu_s(os.getpid()),
            "web": cpu_s(self.web.process.pid),
            "valkey": cpu_s(self.valkey_pid),
            "workers": sum(cpu_s(child.process.pid) for child in self.workers),
        }


def enqueue_figures(bench: Bench) -> list[Figure]:
    """One /predict request with all tasks of a project, while no worker runs."""
    from backend.jobs.progress import Progress, ReferenceNote
    from backend.jobs.snapshot import project_snapshot

    Progress(bench.connection).set_generation(ENQUEUED, "benchmark", [ReferenceNote("Coin", 1, 1, 1)])
    task_ids = bench.label_studio.task_ids(ENQUEUED)
    took_ms = bench.predict(ENQUEUED, task_ids)
    known = project_snapshot(bench.connection, ENQUEUED) or {}
    if known.get("counts") != {"queued": len(task_ids)}:
        raise click.ClickException(
            f"expected {len(task_ids)} tasks to be queued, got {known.get('counts')}: see the web process"
        )
    return [Figure("enqueue_s", took_ms / 1000, f"for one request of {len(task_ids)} tasks")]


def bulk_figures(bench: Bench) -> list[Figure]:
    """The large project: overhead, memory, the first prediction, and tasks that are opened meanwhile."""
    task_ids = bench.label_studio.task_ids(BULK)
    before, started, warm = bench.cpu_s(), time.time(), dict[str, float]()
    webhook_ms = bench.annotate(BULK)
    opened: list[float] = []
    for stored in bench.follow(BULK):
        share = stored / len(task_ids)
        if share >= WARM_SHARE and not warm:
            warm = bench.memory_mb()
        if WARM_SHARE <= share < LATE_SHARE and _is_due(opened):
            opened.append(time.time())
            bench.predict(BULK, [task_ids[-len(opened)]])
    ended, after = bench.memory_mb(), bench.cpu_s()
    computed = bench.computed(BULK)
    first = min(at for at, project_id, _ in bench.label_studio.stored if project_id == BULK)
    last = max(at for at, project_id, _ in bench.label_studio.stored if project_id == BULK)
    spent = {role: after[role] - before[role] for role in after}
    return [
        Figure("webhook_ms", webhook_ms, "the answer to the event of the reference"),
        Figure("first_prediction_s", first - started, "from that event to the first stored prediction"),
        Figure("tasks_per_s", len(task_ids) / (last - first), f"{len(bench.workers)} workers, two cores"),
        *overhead_figures(spent, computed, len(task_ids)),
        *memory_figures(warm, ended, len(task_ids)),
        *opened_figures(opened, computed),
    ]


def _is_due(opened: Sequence[float]) -> bool:
    """Whether somebody opens one more task now."""
    if not opened:
        return True
    return len(opened) < OPENED_AT_MOST and time.time() - opened[-1] > OPENED_PAUSE_S


def overhead_figures(
    spent_s: dict[str, float], computed: Sequence[Sequence[Computing]], tasks: int
) -> list[Figure]:
    """What a task takes beside the model: of all cores, and on the clock from one image to the next."""
    images = sum(map(len, computed))
    model_s = sum(each.cpu_s for worker in computed for each in worker)
    own = {"worker": spent_s["workers"] - model_s, "web": spent_s["web"], "valkey": spent_s["valkey"]}
    between_s = sum(
        max(0.0, following.started - each.started - each.wall_s)
        for worker in computed
        for each, following in pairwise(worker)
    )
    return [
        Figure("model_ms", 1000 * model_s / images, "CPU of the stand-in model, an image"),
        Figure(
            "overhead_ms",
            1000 * sum(own.values()) / tasks,
            "CPU beside it, a task: all processes of ours",
            15,
        ),
        *(Figure(f"  {role}_ms", 1000 * cpu / tasks, f"of it the {role}'s") for role, cpu in own.items()),
        Figure(
            "between_images_ms", 1000 * between_s / images, "wall, from an image's end to the next one", 15
        ),
        Figure(
            "label_studio_ms",
            1000 * spent_s["label_studio"] / tasks,
            "CPU of its stand-in, not counted above",
        ),
    ]


def memory_figures(warm: dict[str, float], ended: dict[str, float], tasks: int) -> list[Figure]:
    """Resident memory when a tenth of the tasks is done, at the end, and how much it grew between."""
    return [
        *(
            Figure(f"{role}_{when}_mb", memory[role], f"resident, {at}")
            for role in ("web", "worker", "valkey")
            for when, at, memory in (("start", "a tenth done", warm), ("end", "all done", ended))
        ),
        Figure("web_growth", ended["web"] / warm["web"], "end / start", 1.1),
        Figure("worker_growth", ended["worker"] / warm["worker"], "end / start, the largest worker", 1.1),
        Figure(
            "redis_grown_mb", ended["data"] - warm["data"], "data, most of it jobs: they go after 5 minutes"
        ),
        Figure("redis_task_bytes", ended["tasks"] * MB / tasks, "data that stay, a task", 300),
    ]


def opened_figures(opened: Sequence[float], computed: Sequence[Sequence[Computing]]) -> list[Figure]:
    """How long tasks waited that were opened at these times, in seconds and in jobs of the bulk run."""
    served = sorted(
        each.started for worker in computed for each in worker if each.job_id.startswith("opened-")
    )
    waits_s, jobs = [], []
    for asked in opened:
        begun = next((at for at in served if at > asked), None)
        if begun is not None:
            waits_s.append(begun - asked)
            jobs.append(sum(_begun_between(worker, asked, begun) for worker in computed))
    if not waits_s:
        raise click.ClickException(
            "no task was opened while the bulk run went on: it is too short; expected more --tasks"
        )
    return [
        Figure("opened", len(waits_s), "tasks that somebody opened meanwhile"),
        Figure(
            "opened_jobs", max(jobs), "bulk jobs that began between opening and model, at most", len(computed)
        ),
        Figure("opened_p50_s", statistics.median(waits_s), "from opening to the model, half of them"),
        Figure("opened_max_s", max(waits_s), "all of them"),
    ]


def _begun_between(worker: Sequence[Computing], first: float, last: float) -> int:
    """Count the bulk jobs of which a worker computed the first image between two times."""
    begun: dict[int, Computing] = {}
    for each in worker:
        begun.setdefault(each.attempt, each)
    return sum(
        first < each.started < last and not each.job_id.startswith("opened-") for each in begun.values()
    )


def fairness_figures(bench: Bench) -> list[Figure]:
    """Two projects of one size, the second one some time after the first: how far apart do they get?"""
    total = len(bench.label_studio.task_ids(FIRST))
    bench.annotate(FIRST)
    asked = 0.0
    for stored in bench.follow(FIRST):
        if stored >= LATER_SHARE * total and not asked:
            asked = time.time()
            bench.annotate(SECOND)
    for _ in bench.follow(SECOND):
        pass
    batches = bench.label_studio.stored
    joined = min(at for at, project_id, _ in batches if project_id == SECOND)
    ended = max(at for at, project_id, _ in batches if project_id == FIRST)
    both = [each for each in batches if joined <= each[0] <= ended and each[1] in (FIRST, SECOND)]
    if not both:
        raise click.ClickException("the second project came too late to be measured; expected more --tasks")
    apart, most, share = 0, 0, 0
    for _, project_id, count in both:
        apart += count if project_id == FIRST else -count
        most, share = max(most, abs(apart)), share + (count if project_id == SECOND else 0)
    everything = sum(count for _, _, count in both)
    return [
        Figure("later_starts_s", joined - asked, "from the second project's event to its first prediction"),
        Figure(
            "later_share",
            share / everything,
            f"of the {everything} tasks done while both ran",
            0.4,
            "at least",
        ),
        Figure("apart_tasks", most, "most that one was ahead of the other while both ran", 64),
    ]


@dataclass(frozen=True)
class Speed:
    """How fast a run was in its middle.

    Attributes:
        per_s: tasks a second.
        cores: that all processes together were given, of those they might have had.
    """

    per_s: float
    cores: float


def speed(bench: Bench, project_id: int, *, cores: int) -> Speed:
    """Measure a run of its own, with all processes held to so many cores."""
    allowed, total = sorted(os.sched_getaffinity(0)), len(bench.label_studio.task_ids(project_id))
    marks: dict[int, tuple[float, float]] = {}
    with held_to(bench, allowed[:cores]):
        bench.annotate(project_id)
        for stored in bench.follow(project_id):
            marks[stored] = time.monotonic(), sum(bench.cpu_s().values())
    middle = [stored for stored in marks if WARM_SHARE <= stored / total <= LATE_SHARE]
    if len(middle) < 2:
        raise click.ClickException(
            f"a run of {total} tasks was too short to be measured; expected more --tasks"
        )
    first, last = middle[0], middle[-1]
    seconds, cpu = (later - earlier for earlier, later in zip(marks[first], marks[last], strict=True))
    return Speed((last - first) / seconds, cpu / seconds)


@contextmanager
def held_to(bench: Bench, cores: Sequence[int]) -> Iterator[None]:
    """Keep all threads of all processes on *cores*."""
    allowed = os.sched_getaffinity(0)
    _hold(bench.pids, set(cores))
    try:
        yield
    finally:
        _hold(bench.pids, allowed)


def _hold(pids: Sequence[int], cores: set[int]) -> None:
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            try:
                os.sched_setaffinity(int(thread.name), cores)
            except ProcessLookupError:
                continue  # it has ended meanwhile


def scaling_figures(one: Sequence[Speed], two: Sequence[Speed]) -> list[Figure]:
    """Two workers on two cores over one worker on one: the better of two runs each."""
    slow, quick = (max(each, key=lambda speed: speed.per_s) for each in (one, two))
    by_cpu = CORES * (quick.per_s / quick.cores) / (slow.per_s / slow.cores)
    return [
        Figure("one_core_per_s", slow.per_s, "tasks: one worker, everything on one core"),
        Figure("  of a core", slow.cores, "that we were given; the rest went to others, or idle"),
        Figure("two_cores_per_s", quick.per_s, "tasks: two workers, everything on two cores"),
        Figure("  of two cores", quick.cores, "that we were given"),
        Figure("scaling", quick.per_s / slow.per_s, "times", 1.8, "at least"),
        Figure("scaling_by_cpu", by_cpu, "times, if both had been given all of their cores", 1.8, "at least"),
    ]


def cpu_s(pid: int) -> float:
    """Seconds of a core that a process has had, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
