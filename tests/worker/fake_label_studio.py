"""A Label Studio on loopback, as far as the worker asks it; fails when told to."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, cast

import numpy as np
from flask import Flask, Response, request
from label_studio_sdk.converter import brush
from numpy.typing import NDArray
from PIL import Image
from werkzeug.serving import make_server

LABEL_CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="label" toName="image"><Label value="Coin"/></BrushLabels>
</View>
"""
TOKEN = "0123456789abcdef0123456789abcdef01234567"
PROJECT = 7
mask_to_rle = cast("Callable[[NDArray[np.uint8]], list[int]]", brush.mask2rle)
Reply = Response | dict[str, Any] | list[Any] | tuple[Any, int]


@dataclass
class FakeLabelStudio:
    """One project. What a test wants to happen it sets; what the worker did it reads.

    Attributes:
        url: where it listens.
        label_config: of the project.
        files: the uploads, by path.
        tasks: task data by task id.
        annotations: by task id.
        predictions: stored predictions, each with its ``id``.
        backend_versions: what its ML backends said last.
        broken: given the path of a request, the status to answer instead, or None.
        ml_backends: the same in full, instead.
        webhooks: of the project.
        refused: why addresses of ML backends (``ml``) or ``webhooks`` are refused.
        model_version: which predictions the project shows.
        sampling: the order in which it hands out tasks.
        drafts: the tasks that somebody has begun to annotate.
        drops: whether an item of an import is left out without a word.
        requests: how often each method and path was asked for.
        changed: when tasks changed last, by task id, if they did.
        ground_truths: how many annotations have a star.
    """

    url: str = ""
    label_config: str = LABEL_CONFIG
    files: dict[str, bytes] = field(default_factory=dict)
    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)
    annotations: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    predictions: list[dict[str, Any]] = field(default_factory=list)
    backend_versions: list[str] = field(default_factory=list)
    ml_backends: list[dict[str, Any]] = field(default_factory=list)
    webhooks: list[dict[str, Any]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    model_version: str = ""
    sampling: str = "Sequential sampling"
    drafts: set[int] = field(default_factory=set)
    broken: Callable[[str], int | None] = lambda _: None
    drops: Callable[[Mapping[str, Any]], bool] = lambda _: False
    requests: list[str] = field(default_factory=list)
    changed: dict[int, str] = field(default_factory=dict)
    ground_truths: int = 0

    def add_task(self, image: NDArray[np.uint8] | bytes, *, uri: str | None = None) -> int:
        """Upload an image (pixels, or the bytes of a file) and make it a task."""
        task_id = len(self.tasks) + 1
        path = f"/data/upload/{PROJECT}/{task_id}.png"
        self.files[path] = image if isinstance(image, bytes) else png(image)
        self.tasks[task_id] = {"image": uri or path}
        return task_id

    def annotate(self, task_id: int, mask: NDArray[np.bool_], **extra: Any) -> int:
        """Have a person paint one region."""
        annotation_id = sum(map(len, self.annotations.values())) + 1
        created_at = f"2026-01-01T00:00:{annotation_id:02d}Z"
        self.annotations.setdefault(task_id, []).append(
            {"id": annotation_id, "created_at": created_at, "lead_time": 1.5, "result": [region(mask)]}
            | extra
        )
        return annotation_id

    def predicted(self) -> list[int]:
        """The tasks of the stored predictions, sorted; a task comes as often as it has predictions."""
        return sorted(prediction["task"] for prediction in self.predictions)


def png(image: NDArray[np.uint8]) -> bytes:
    """An image file."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def region(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A brush region as Label Studio stores it."""
    height, width = mask.shape
    rle = mask_to_rle(mask.astype(np.uint8) * 255)
    return {
        "id": "painted1",
        "type": "brushlabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": rle, "brushlabels": ["Coin"]},
    }


@contextmanager
def serve(fake: FakeLabelStudio) -> Iterator[FakeLabelStudio]:
    """Let *fake* answer on a free port of loopback."""
    server = make_server("127.0.0.1", 0, _app(fake), threaded=True)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _app(fake: FakeLabelStudio) -> Flask:
    app = Flask("fake-label-studio")
    app.before_request(lambda: _refusal(fake))
    _serve_reading(app, fake)
    _serve_shown(app, fake)
    _serve_connections(app, fake)
    _serve_predictions(app, fake)
    return app


def _refusal(fake: FakeLabelStudio) -> Reply | None:
    fake.requests.append(f"{request.method} {request.path}")
    status = fake.broken(request.path)
    if status is not None:
        return {"detail": "told to fail"}, status
    if request.headers.get("Authorization") != f"Token {TOKEN}":
        return {"detail": "Invalid token."}, 401
    return None


def _serve_reading(app: Flask, fake: FakeLabelStudio) -> None:
    @app.get("/api/current-user/whoami")
    def whoami() -> Reply:
        return {"id": 1, "email": "bot@example.com", "username": "bot"}

    @app.get("/api/projects/")
    def projects() -> Reply:
        return {"count": 1, "next": None, "previous": None, "results": [{"id": PROJECT}]}

    @app.get("/api/ml/")
    def backends() -> Reply:
        return fake.ml_backends or [
            {"id": 1, "url": "http://x", "model_version": each} for each in fake.backend_versions
        ]

    @app.get("/api/projects/<int:project_id>/")
    def project(project_id: int) -> Reply:
        if project_id != PROJECT:
            return {"detail": "Not found."}, 404
        shown = {
            "model_version": fake.model_version,
            "ground_truth_number": fake.ground_truths,
            "sampling": fake.sampling,
        }
        return {"id": PROJECT, "title": "Fake", "label_config": fake.label_config, **shown}

    @app.get("/api/tasks/")
    def tasks() -> Reply:
        rows = [_task(fake, task_id) for task_id in sorted(fake.tasks)]
        found = _selected(rows, json.loads(request.args["query"]))
        if request.args.get("fields") == "all":
            found = [row | _contents(fake, row["id"]) for row in found]
        page = found[
            : int(request.args.get("page_size", len(found)))
        ]  # the first: a query names what follows
        return {"tasks": page, "total": len(found), "total_annotations": 0, "total_predictions": 0}

    @app.get("/data/upload/<path:path>")
    def upload(path: str) -> Reply:
        content = fake.files.get(f"/data/upload/{path}")
        return ({"detail": "Not found."}, 404) if content is None else Response(content)


def _serve_shown(app: Flask, fake: FakeLabelStudio) -> None:
    @app.patch("/api/projects/<int:project_id>/")
    def change(project_id: int) -> Reply:
        fields = request.get_json()
        if fields.get("model_version", "") not in {"", *_versions(fake), *_titles(fake)}:
            return {"validation_errors": {"model_version": ["doesn't exist"]}}, 400
        for name in ("model_version", "sampling"):
            setattr(fake, name, fields.get(name, getattr(fake, name)))
        return {"id": project_id}

    @app.get("/api/projects/<int:project_id>/model-versions/")
    def versions(project_id: int) -> Reply:  # noqa: ARG001 - there is one project
        return dict(_versions(fake))


def _serve_connections(app: Flask, fake: FakeLabelStudio) -> None:
    @app.get("/api/webhooks/")
    def webhooks() -> Reply:
        return fake.webhooks

    @app.post("/api/<any(ml, webhooks):kind>/")
    def connect(kind: str) -> Reply:
        """Look at the address first, as Label Studio does, and store nothing."""
        if kind in fake.refused:
            return {"detail": fake.refused[kind]}, 403
        return {"validation_errors": {"actions": ["not a valid choice"]}}, 400


def _serve_predictions(app: Flask, fake: FakeLabelStudio) -> None:
    @app.get("/api/predictions/")
    def predictions() -> Reply:
        task_id = int(request.args["task"])
        return [prediction for prediction in list(fake.predictions) if prediction["task"] == task_id]

    @app.delete("/api/predictions/<int:prediction_id>/")
    def delete(prediction_id: int) -> Reply:
        fake.predictions[:] = [each for each in fake.predictions if each["id"] != prediction_id]
        return Response(status=204)

    @app.post("/api/projects/<int:project_id>/import/predictions")
    def import_predictions(project_id: int) -> Reply:
        if any(item["task"] == 0 for item in request.get_json()):
            return {"detail": "Invalid task ID 0"}, 400
        received = [item for item in request.get_json() if not fake.drops(item)]
        first = max((each["id"] for each in fake.predictions), default=0) + 1
        fake.predictions += [
            {"id": first + index, "project": project_id, **item} for index, item in enumerate(received)
        ]
        return {"created": len(received)}, 201


def _versions(fake: FakeLabelStudio) -> Counter[str]:
    return Counter(each["model_version"] for each in list(fake.predictions))


def _titles(fake: FakeLabelStudio) -> set[str]:
    return {each["title"] for each in fake.ml_backends if "title" in each}


def _task(fake: FakeLabelStudio, task_id: int) -> dict[str, Any]:
    annotations = fake.annotations.get(task_id, [])
    stored = [each["model_version"] for each in list(fake.predictions) if each["task"] == task_id]
    return {
        "id": task_id,
        "data": fake.tasks[task_id],
        "total_annotations": len(annotations),
        "draft_exists": task_id in fake.drafts,
        "annotations_ids": ",".join(str(each["id"]) for each in annotations),
        "predictions_model_versions": ",".join(set(stored)),
        "total_predictions": len(stored),
        "updated_at": fake.changed.get(task_id, "2026-01-01T00:00:00.000000Z"),
    }


def _contents(fake: FakeLabelStudio, task_id: int) -> dict[str, Any]:
    predictions = [each for each in list(fake.predictions) if each["task"] == task_id]
    return {"annotations": fake.annotations.get(task_id, []), "predictions": predictions}


def _selected(rows: Sequence[dict[str, Any]], query: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "selectedItems" in query:
        rows = [row for row in rows if row["id"] in query["selectedItems"]["included"]]
    filters = query["filters"]["items"]
    found = [row for row in rows if all(_passes(row, each) for each in filters)]
    if query["ordering"] == ["-tasks:updated_at"]:
        found.sort(key=lambda row: str(row["updated_at"]), reverse=True)
    return found


def _passes(row: Mapping[str, Any], each: Mapping[str, Any]) -> bool:
    value = row[each["filter"].removeprefix("filter:tasks:")]
    wanted = each["value"]
    match each["operator"]:
        case "equal":
            return bool(value == wanted)
        case "greater":
            return bool(value > wanted)
        case "greater_or_equal":
            return bool(value >= wanted)
        case "contains":
            return any(version in value for version in wanted)
        case "not_contains":
            return not any(version in value for version in wanted)
    raise ValueError(f"no operator {each['operator']!r}")
