"""The web process: the protocol of Label Studio's machine learning backends, the status page, the metrics."""

from flask import Flask, Response, jsonify, request

from backend.jobs.progress import Progress
from backend.jobs.queue import JobQueue
from backend.web.auth import Credentials, require_auth
from backend.web.body import json_object
from backend.web.errors import register_error_handlers
from backend.web.interactive import Help, interactive_request
from backend.web.metrics import add_metrics
from backend.web.pages import add_pages
from backend.web.protocol import PredictRequest, SetupRequest, WebhookEvent
from backend.web.request_ids import number_requests
from backend.web.same_origin import require_same_origin
from backend.web.service import Service

MAX_BODY_BYTES = 256 * 2**20  # Label Studio sends all selected tasks at once, with all their masks


def create_app(
    queue: JobQueue,
    progress: Progress,
    *,
    checkpoint: str,
    auth: Credentials | None = None,
    label_studio_url: str = "",
    label_studio_guess: str = "",
    interactive: Help = "thing",
    interactive_s: float = 10,
    learns: bool = True,
) -> Flask:
    """Build the application.

    Args:
        queue: where the work goes.
        progress: what is known of projects.
        checkpoint: slug of the model, as ``checkpoint_slug`` returns it.
        auth: user name and password asked for on every page.
        label_studio_url: where browsers find Label Studio; unset: what it says of itself.
        label_studio_guess: where they may find it until it has said so.
        interactive: what smart tools bring.
        interactive_s: seconds that somebody who uses one waits for a worker.
        learns: whether workers learn from corrected predictions when a person asks for it.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    register_error_handlers(app)
    number_requests(app)
    if auth:
        require_auth(app, auth)
    require_same_origin(app)
    service = Service(
        queue,
        progress,
        checkpoint=checkpoint,
        label_studio_url=label_studio_url,
        label_studio_guess=label_studio_guess,
        interactive=interactive,
        interactive_s=interactive_s,
        learns=learns,
    )
    _add_protocol(app, service)
    add_pages(app, service)
    add_metrics(app, queue)
    return app


def _add_protocol(app: Flask, service: Service) -> None:
    @app.get("/health")
    def health() -> Response:
        service.ping()
        return jsonify(status="UP", model_class="oneshot")

    @app.get("/versions")
    def versions() -> Response:
        return jsonify(versions=service.versions())

    @app.post("/setup")
    def setup() -> Response:
        return jsonify(model_version=service.setup(SetupRequest.of(json_object(request.get_data()))))

    @app.post("/predict")
    def predict() -> Response:
        """Answer one empty list per task: to Label Studio, "not yet". To a smart tool, what it points at."""
        data = request.get_data(cache=False)
        body = json_object(data)
        if (pointed := interactive_request(body, data, with_drafts=service.wants_drafts)) is not None:
            return jsonify(results=[service.interactive(pointed)])
        asked = PredictRequest.of(body)
        service.predict(asked)
        return jsonify(results=[[] for _ in asked.task_ids])

    @app.post("/webhook")
    def webhook() -> Response:
        service.webhook(WebhookEvent.of(json_object(request.get_data(cache=False))))
        return jsonify(status="ok")
