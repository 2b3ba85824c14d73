"""Threads that work for a job beside its own: their log lines tell the same request."""

from concurrent.futures import ThreadPoolExecutor

from backend.jobs.request_id import current_request_id


def job_threads(count: int, name: str) -> ThreadPoolExecutor:
    """Start up to *count* threads when there is work for them.

    Args:
        count: of threads.
        name: what their names begin with.
    """
    return ThreadPoolExecutor(
        count, name, initializer=current_request_id.set, initargs=(current_request_id.get(),)
    )
