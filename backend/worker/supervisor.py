"""Several workers on one machine: started, started again when they die, and stopped together."""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from types import FrameType

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
STEADY_S = 120.0  # a worker that lived this long was well: its next death is a first one
MOST_REFUSALS = 3  # ends with an error, one after the other, after which a worker is given up
_TICK_S = 0.2


class Seat:
    """One worker's place: the process that runs, or the time at which the next one starts.

    Attributes:
        process: None between two.
        started_at: monotonic seconds.
        due_at: monotonic seconds, when the next process starts.
        deaths: in a row, of processes that did not live long.
        refusals: of these the ones that ended by themselves, with an error.
    """

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.due_at = 0.0
        self.deaths = 0
        self.refusals = 0

    def pause_s(self) -> float:
        """Seconds before the next start, after as many deaths in a row."""
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** max(0, self.deaths - 1))


class Supervisor:
    """Keeps a number of worker processes running until it is asked to end.

    Args:
        command: that starts one worker.
        count: of workers.
        threads: CPU threads of each.
        stop_s: seconds that the task in hand may take when the workers are asked to end.
        on_death: called with the process id of each worker that died.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        count: int,
        threads: int,
        stop_s: float,
        on_death: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._command = list(command)
        self._environment = {
            **os.environ,
            "ONESHOT_THREADS": str(threads),
            "OMP_NUM_THREADS": str(threads),
        }
        self._stop_s = stop_s
        self._on_death = on_death
        self._seats = [Seat() for _ in range(count)]
        self._stopping = False

    def run(self) -> int:
        """Run the workers until SIGTERM or SIGINT; then let each finish its task, and kill what does not end.

        Returns:
            1 if every worker ended by itself with an error before it had run for a while: whatever is wrong
            with one is wrong with all (a refused key, a checkpoint that is not there). Else 0.
        """
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, self._ask_to_stop)
        hopeless = False
        try:
            while not self._stopping and not hopeless:
                for number, seat in enumerate(self._seats, start=1):
                    self._look_after(number, seat)
                hopeless = all(seat.refusals >= MOST_REFUSALS for seat in self._seats)
                time.sleep(_TICK_S)
        finally:
            self._stop()
        return int(hopeless)

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _look_after(self, number: int, seat: Seat) -> None:
        if seat.process is None:
            if time.monotonic() >= seat.due_at:
                self._start(number, seat)
            return
        status = seat.process.poll()
        if status is None:
            return
        steady = time.monotonic() - seat.started_at > STEADY_S
        seat.deaths = 1 if steady else seat.deaths + 1
        seat.refusals = seat.refusals + 1 if status > 0 and not steady else 0
        pause_s = seat.pause_s()
        pid = seat.process.pid
        seat.process, seat.due_at = None, time.monotonic() + pause_s
        logger.warning("worker %d ended (%s); it starts again in %.0f s", number, _how(status), pause_s)
        self._on_death(pid)

    def _start(self, number: int, seat: Seat) -> None:
        # A session of its own: Ctrl-C in a terminal must reach the worker once, through this process.
        seat.process = subprocess.Popen(self._command, env=self._environment, start_new_session=True)
        seat.started_at = time.monotonic()
        logger.info("worker %d: process %d", number, seat.process.pid)

    def _stop(self) -> None:
        running = [seat.process for seat in self._seats if seat.process is not None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self._stop_s
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.warning("process %d has not ended in %.0f s: killed", process.pid, self._stop_s)
                process.kill()
                process.wait()
                self._on_death(process.pid)


def _how(status: int) -> str:
    """Say how a process ended: by which signal, or with which status."""
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
