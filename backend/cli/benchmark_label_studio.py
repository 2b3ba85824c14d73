"""A Label Studio that answers at once: it stands in for the real one where the queue is measured."""

import json
import operator
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "0123456789abcdef0123456789abcdef01234567"  # noqa: S105 - of nobody
SIZE_HW = (303, 384)
LABEL = "Coin"
LABEL_CONFIG = (
    '<View><Image name="image" value="$image"/>'
    f'<BrushLabels name="label" toName="image"><Label value="{LABEL}"/></BrushLabels></View>'
)
IDS_A_PROJECT = 1_000_000


class StandIn:
    """Projects of many tasks with one image; the first task of each is annotated.

    Of what is stored it keeps the versions only, and when how many came.

    Args:
        tasks: how many there are beside the annotated one, by project.

    Attributes:
        url: where it listens.
        stored: time (epoch s), project and number of each batch of predictions.
    """

    def __init__(self, tasks: Mapping[int, int]) -> None:
        self.url = ""
        self.stored: list[tuple[float, int, int]] = []
        self.image = _jpeg()
        self._tasks = dict(tasks)
        self._versions: dict[int, list[str]] = {}
        self._lock = threading.Lock()

    def task_ids(self, project_id: int) -> range:
        """Give the ids of the tasks that have no annotation."""
        first = project_id * IDS_A_PROJECT + 2
        return range(first, first + self._tasks[project_id])

    def predictions(self, project_id: int) -> list[int]:
        """Count the predictions of each task that has no annotation."""
        return [len(self._versions.get(task_id, ())) for task_id in self.task_ids(project_id)]

    def store(self, project_id: int, items: list[dict[str, Any]]) -> dict[str, Any]:
        """Take a batch of predictions."""
        with self._lock:
            for item in items:
                self._versions.setdefault(item["task"], []).append(item["model_version"])
            self.stored.append((time.time(), project_id, len(items)))
        return {"created": len(items)}

    def listed(self, project_id: int, query: Mapping[str, Any], *, page_size: int) -> dict[str, Any]:
        """Give the first page of the tasks that a query of ``task_query`` asks for, by id."""
        ids = self.task_ids(project_id)
        among = range(ids.start - 1, ids.stop)
        if "selectedItems" in query:
            among = query["selectedItems"]["included"]
        filters = [(_COLUMNS[each["filter"]], each) for each in query["filters"]["items"]]
        with self._lock:
            found = [
                task_id
                for task_id in among
                if all(
                    _OPERATORS[each["operator"]](column(self, task_id), each["value"])
                    for column, each in filters
                )
            ]
        page = [self._task(task_id) for task_id in found[:page_size]]
        return {"tasks": page, "total": len(found), "total_annotations": 0, "total_predictions": 0}

    def versions_of(self, task_id: int) -> list[str]:
        """List the versions of a task's predictions."""
        return self._versions.get(task_id, [])

    def versions(self, project_id: int) -> dict[str, int]:
        """Count the predictions by their version."""
        with self._lock:
            return Counter(
                version for task in self.task_ids(project_id) for version in self._versions.get(task, ())
            )

    def _task(self, task_id: int) -> dict[str, Any]:
        annotated = is_annotated(task_id)
        return {
            "id": task_id,
            "data": {"image": f"/data/upload/{task_id}.jpg"},
            "total_annotations": int(annotated),
            "annotations_ids": str(task_id) if annotated else "",
            "annotations": [{"id": task_id, "result": [_region()]}] if annotated else [],
            "predictions_model_versions": ",".join(self._versions.get(task_id, ())),
        }


def is_annotated(task_id: int) -> bool:
    """Whether a person has annotated a task."""
    return task_id % IDS_A_PROJECT == 1


_COLUMNS: Mapping[str, Callable[[StandIn, int], Any]] = {
    "filter:tasks:id": lambda _, task_id: task_id,
    "filter:tasks:total_annotations": lambda _, task_id: int(is_annotated(task_id)),
    "filter:tasks:annotations_ids": lambda _, task_id: [str(task_id)] if is_annotated(task_id) else [],
    "filter:tasks:draft_exists": lambda _, __: False,
    "filter:tasks:total_predictions": lambda stand_in, task_id: len(stand_in.versions_of(task_id)),
    "filter:tasks:predictions_model_versions": lambda stand_in, task_id: stand_in.versions_of(task_id),
}
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "equal": operator.eq,
    "greater": operator.gt,
    "contains": lambda value, wanted: not set(value).isdisjoint(wanted),
    "not_contains": lambda value, wanted: set(value).isdisjoint(wanted),
}


@contextmanager
def serve(stand_in: StandIn) -> Iterator[StandIn]:
    """Let *stand_in* answer on a free port of loopback, in threads of this process."""
    handler = type("Handler", (_Handler,), {"stand_in": stand_in})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield stand_in
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept, as Label Studio keeps them
    wbufsize = -1  # an answer leaves in one piece
    stand_in: StandIn

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != f"Token {TOKEN}":
            self._send(401, {"detail": "Invalid token."})
            return
        for pattern, answer in _ROUTES:
            found = re.fullmatch(pattern, f"{self.command} {parts.path}")
            if found:
                arguments = {name: values[0] for name, values in parse_qs(parts.query).items()}
                project_id = int(str(found.groupdict().get("project") or arguments.get("project", 0)))
                self._send(*answer(self.stand_in, project_id, arguments, body))
                return
        self._send(404, {"detail": f"the stand-in has no {self.command} {parts.path}"})

    do_POST = do_GET  # noqa: N815 - the server's name

    def _send(self, status: int, content: object) -> None:
        is_file = isinstance(content, bytes)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "image/jpeg" if is_file else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


Answer = Callable[[StandIn, int, Mapping[str, str], bytes], tuple[int, object]]
_ROUTES: tuple[tuple[str, Answer], ...] = (
    (
        r"GET /api/current-user/whoami",
        lambda _s, _p, _a, _b: (200, {"id": 1, "email": "bot@example.com", "username": "bot"}),
    ),
    (
        r"GET /api/projects/(?P<project>\d+)/",
        lambda _s, project_id, _a, _b: (
            200,
            {"id": project_id, "title": f"Benchmark {project_id}", "label_config": LABEL_CONFIG},
        ),
    ),
    (
        r"GET /api/tasks/",
        lambda stand_in, project_id, arguments, _b: (
            200,
            stand_in.listed(
                project_id, json.loads(arguments["query"]), page_size=int(arguments["page_size"])
            ),
        ),
    ),
    (r"GET /api/(webhooks|ml)/", lambda _s, _p, _a, _b: (200, [])),
    (
        r"GET /api/projects/(?P<project>\d+)/model-versions/",
        lambda stand_in, project_id, _a, _b: (200, stand_in.versions(project_id)),
    ),
    (r"GET /data/upload/\d+\.jpg", lambda stand_in, _p, _a, _b: (200, stand_in.image)),
    (
        r"POST /api/projects/(?P<project>\d+)/import/predictions",
        lambda stand_in, project_id, _a, body: (201, stand_in.store(project_id, json.loads(body))),
    ),
)


def _jpeg() -> bytes:
    import numpy as np
    from PIL import Image

    rows, columns = np.indices(SIZE_HW)
    pixels = np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=-1).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def _region() -> dict[str, Any]:
    """Give what a person has painted: the left upper corner."""
    import numpy as np

    from backend.labelstudio.brush_rle import encode_rle

    mask = np.zeros(SIZE_HW, np.bool_)
    mask[:40, :50] = True
    height, width = SIZE_HW
    return {
        "id": "painted1",
        "type": "brushlabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": encode_rle(mask), "brushlabels": [LABEL]},
    }
