"""What the demo asks of Label Studio, as a person would do it in the browser."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray

from backend.demo.errors import DemoProcessError
from backend.labelstudio.brush_rle import encode_rle
from backend.labelstudio.label_config import Control, image_controls

TIMEOUT_S = 60.0
TASKS_PER_PAGE = 100
FILES_PER_UPLOAD = 20  # Label Studio refuses more than 100


@dataclass(frozen=True)
class StoredPrediction:
    """What Label Studio holds for one task: how many regions, and the score."""

    model_version: str
    instances: int
    score: float | None


class DemoProject:
    """One project in a running Label Studio."""

    def __init__(self, url: str, token: str, *, title: str, label_config: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Token {token}"
        self._control = image_controls(label_config)[0]
        self.id: int = self._call(
            "POST", "/api/projects/", json={"title": title, "label_config": label_config}
        )["id"]

    @property
    def url(self) -> str:
        """The project's page."""
        return f"{self._url}/projects/{self.id}/data"

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def import_images(self, files: Sequence[tuple[str, bytes]]) -> dict[int, str]:
        """Upload images, a task each.

        Args:
            files: file name and content of each.

        Returns:
            The file name of each task's image, as Label Studio keeps it.
        """
        for start in range(0, len(files), FILES_PER_UPLOAD):
            batch = files[start : start + FILES_PER_UPLOAD]
            parts = [(f"file{i}", file) for i, file in enumerate(batch)]
            self._call("POST", f"/api/projects/{self.id}/import", files=parts)
        return {task["id"]: _file_name(task["data"][self._control.image_key]) for task in self._tasks()}

    def connect_backend(self, url: str) -> None:
        """Connect the ML backend at *url*; Label Studio asks it for its health and version at once."""
        backend = {"url": url, "project": self.id, "title": "oneshot", "is_interactive": False}
        self._call("POST", "/api/ml", json=backend)

    def annotate(self, task_id: int, mask: NDArray[np.bool_]) -> None:
        """Submit one annotation: *mask*, (H, W) bool, brushed with the config's first label."""
        region = brushed_region(mask, control=self._control, label=self._control.labels[0])
        self._call("POST", f"/api/tasks/{task_id}/annotations/", json={"result": [region]})

    def annotated_tasks(self) -> set[int]:
        """The tasks that a person has annotated."""
        return {task["id"] for task in self._tasks() if task["total_annotations"]}

    def predictions(self, task_id: int) -> list[StoredPrediction]:
        """Every prediction that Label Studio holds for a task."""
        found = self._call("GET", f"/api/predictions/?task={task_id}")
        return [StoredPrediction(item["model_version"], len(item["result"]), item["score"]) for item in found]

    def _tasks(self) -> Iterator[dict[str, Any]]:
        seen, total, page = 0, 1, 1
        while seen < total:
            query = f"project={self.id}&fields=all&resolve_uri=false&page={page}&page_size={TASKS_PER_PAGE}"
            found = self._call("GET", f"/api/tasks?{query}")
            yield from found["tasks"]
            seen, total, page = seen + len(found["tasks"]), found["total"], page + 1

    def _call(self, method: str, path: str, **content: Any) -> Any:  # noqa: ANN401 - JSON
        try:
            response = self._session.request(method, self._url + path, timeout=TIMEOUT_S, **content)
            response.raise_for_status()
            return response.json()
        except requests.HTTPError as exc:
            status, text = exc.response.status_code, exc.response.text[:300]
            raise DemoProcessError(f"Label Studio refused {method} {path} with {status}: {text}") from exc
        except requests.RequestException as exc:
            raise DemoProcessError(f"Label Studio did not answer {method} {path}: {exc}") from exc


def _file_name(uri: str) -> str:
    """The name in ``/data/upload/<project>/<8 hexadecimal digits>-<name>``."""
    return uri.rsplit("/", 1)[-1].split("-", 1)[-1]


def brushed_region(mask: NDArray[np.bool_], *, control: Control, label: str) -> dict[str, Any]:
    """A region as the brush leaves it: *mask* is (H, W) bool."""
    height, width = mask.shape
    return {
        "id": "painted-by-the-demo",
        "type": "brushlabels",
        "from_name": control.from_name,
        "to_name": control.to_name,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "origin": "manual",
        "value": {"format": "rle", "rle": encode_rle(mask), "brushlabels": [label]},
    }
