"""What a person does at Label Studio, by its HTTP API; independent of ``backend.labelstudio``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import requests
from label_studio_sdk.converter import brush
from numpy.typing import NDArray

from backend.demo.label_studio import LabelStudioServer

LABEL_CONFIG = (Path(__file__).parent.parent / "label_config.xml").read_text()
mask_to_rle = cast("Callable[[NDArray[np.uint8]], list[int]]", brush.mask2rle)
TIMEOUT_S = 120  # Label Studio waits for our web process in turn


def brush_region(
    mask: NDArray[np.bool_], *, label: str = "Coin", region_id: str = "painted1", **extra: Any
) -> dict[str, Any]:
    """A region as Label Studio's brush writes it."""
    height, width = mask.shape
    value = {"format": "rle", "rle": mask_to_rle(mask.astype(np.uint8) * 255), "brushlabels": [label]}
    return {
        "id": region_id,
        "type": "brushlabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": value,
    } | extra


def region_mask(region: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The mask of a brush region, as Label Studio's own exporter decodes it, (H, W) bool."""
    height, width = region["original_height"], region["original_width"]
    pixels = np.asarray(brush.decode_rle(region["value"]["rle"])).reshape(height, width, 4)
    return np.asarray(pixels[..., 3] >= 128)


@dataclass(frozen=True)
class Annotator:
    """One user of one Label Studio."""

    url: str
    token: str

    def request(self, method: str, path: str, **options: Any) -> Any:
        """The JSON answer of one call; any refusal fails the test with Label Studio's words."""
        response = self.response(method, path, **options)
        assert response.ok, f"{method} {path}: {response.status_code} {response.text[:1000]}"
        return response.json() if response.content else None

    def response(self, method: str, path: str, **options: Any) -> requests.Response:
        """The answer of one call, whatever it is."""
        headers = {"Authorization": f"Token {self.token}"}
        return requests.request(method, f"{self.url}{path}", headers=headers, timeout=TIMEOUT_S, **options)

    def create_project(self, title: str, *, label_config: str = LABEL_CONFIG) -> int:
        """A new project's id."""
        project = self.request("POST", "/api/projects/", json={"title": title, "label_config": label_config})
        return int(project["id"])

    def upload(self, project: int, files: Mapping[str, bytes]) -> list[int]:
        """The ids of the tasks made from the files, in their order."""
        parts = [(name, (name, data, "image/png")) for name, data in files.items()]
        answer = self.request("POST", f"/api/projects/{project}/import?return_task_ids=true", files=parts)
        return [int(task) for task in answer["task_ids"]]

    def import_addresses(self, project: int, addresses: Sequence[str]) -> list[int]:
        """The ids of the tasks made for images that lie elsewhere."""
        return self.import_tasks(project, [{"image": address} for address in addresses])

    def import_tasks(self, project: int, data: Sequence[Mapping[str, Any]]) -> list[int]:
        """The ids of the tasks made from their data."""
        tasks = [{"data": each} for each in data]
        answer = self.request("POST", f"/api/projects/{project}/import?return_task_ids=true", json=tasks)
        return [int(task) for task in answer["task_ids"]]

    def connect(
        self, project: int, backend_url: str, *, user: str = "", password: str = ""
    ) -> dict[str, Any]:
        """Connect an ML backend, as the project's settings page does."""
        body = {"project": project, "url": backend_url, "title": "one-shot", "is_interactive": False}
        if user:
            body |= {"auth_method": "BASIC_AUTH", "basic_auth_user": user, "basic_auth_pass": password}
        backend: dict[str, Any] = self.request("POST", "/api/ml", json=body)
        return backend

    def annotate(self, task: int, regions: Sequence[Mapping[str, Any]], **fields: Any) -> int:
        """Submit an annotation as the editor does, which says how long it took; its id."""
        annotation = self.request(
            *("POST", f"/api/tasks/{task}/annotations/"),
            json={"result": list(regions), "lead_time": 1.5} | fields,
        )
        return int(annotation["id"])

    def update(self, annotation: int, regions: Sequence[Mapping[str, Any]]) -> None:
        """Change an annotation."""
        self.request("PATCH", f"/api/annotations/{annotation}/", json={"result": list(regions)})

    def delete(self, annotation: int) -> None:
        """Delete an annotation."""
        self.request("DELETE", f"/api/annotations/{annotation}/")

    def retrieve_predictions(self, project: int) -> None:
        """Data manager, all tasks, "Retrieve predictions"."""
        body = {"selectedItems": {"all": True, "excluded": []}}
        path = f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}"
        self.request("POST", path, json=body)

    def predictions(self, project: int) -> list[dict[str, Any]]:
        """All predictions of the project."""
        found: list[dict[str, Any]] = self.request("GET", f"/api/predictions/?project={project}")
        return found

    def webhooks(self, project: int) -> list[dict[str, Any]]:
        """The webhooks of the project."""
        found: list[dict[str, Any]] = self.request("GET", f"/api/webhooks/?project={project}")
        return found

    def personal_access_token(self) -> str:
        """A new personal access token; the user may have one at a time."""
        return str(self.request("POST", "/api/token/")["token"])


def annotator_at(server: LabelStudioServer) -> Annotator:
    """The one user of a fresh Label Studio."""
    return Annotator(url=server.url, token=server.token)
