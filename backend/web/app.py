"""The web process: the protocol of Label Studio's machine learning backends, and the status page."""

from flask import Flask, Response, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from backend.jobs.progress import Progress
from backend.jobs.queue import JobQueue
from backend.web.auth import Credentials, require_auth
from backend.web.body import json_object
from backend.web.errors import prefers_html, register_error_handlers
from backend.web.protocol import PredictRequest, SetupRequest, WebhookEvent
from backend.web.service import Service

MAX_BODY_BYTES = 256 * 2**20  # Label Studio sends all selected tasks at once, with all their masks


def create_app(
    queue: JobQueue, progress: Progress, *, checkpoint: str, auth: Credentials | None = None
) -> Flask:
    """Build the application.

    Args:
        queue: where the work goes.
        progress: what is known of projects.
        checkpoint: slug of the model, as ``checkpoint_slug`` returns it.
        auth: user name and password asked for on every page.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    register_error_handlers(app)
    if auth:
        require_auth(app, auth)
    service = Service(queue, progress, checkpoint=checkpoint)
    _add_protocol(app, service)
    _add_pages(app, service)
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
        """Answer one empty list per task: to Label Studio, "not yet"."""
        asked = PredictRequest.of(json_object(request.get_data(cache=False)))
        service.predict(asked)
        return jsonify(results=[[] for _ in asked.task_ids])

    @app.post("/webhook")
    def webhook() -> Response:
        service.webhook(WebhookEvent.of(json_object(request.get_data(cache=False))))
        return jsonify(status="ok")


def _add_pages(app: Flask, service: Service) -> None:
    @app.get("/")
    def index() -> WerkzeugResponse:
        if prefers_html():
            return redirect(url_for("status"))
        service.ping()
        return jsonify(status="UP", model_class="oneshot")

    @app.get("/status")
    def status() -> Response:
        shown = service.status()
        return Response(render_template("status.html", **shown)) if prefers_html() else jsonify(shown)
