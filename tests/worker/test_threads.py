"""Threads beside a job's own."""

from backend.jobs.request_id import current_request_id
from backend.worker.threads import job_threads


def test_what_a_thread_does_belongs_to_the_request_that_the_job_goes_back_to() -> None:
    """And to none where the job goes back to none."""
    for request_id in ("4f1c", None):
        token = current_request_id.set(request_id)
        try:
            with job_threads(2, "push") as threads:
                assert threads.submit(current_request_id.get).result() == request_id
        finally:
            current_request_id.reset(token)
