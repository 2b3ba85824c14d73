"""The pages for people: the status page, its pictures, its buttons."""

import time
from collections.abc import Mapping, Sequence

from flask import (
    Flask,
    Response,
    abort,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response as WerkzeugResponse

from backend.web.actions import MAKE_CURRENT, NAMES, OF_ANNOTATIONS, Done, done_of
from backend.web.agreement_chart import kept_share
from backend.web.errors import prefers_html
from backend.web.formatting import FILTERS
from backend.web.learning_view import learning_view
from backend.web.service import Service
from backend.web.view import STATES, ProjectView, project_view

_POLICY = (
    "default-src 'none'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; style-src 'self'; script-src 'self'"
)
_LARGEST_ID = 2**63 - 1
_PICTURE_S = 3600  # the address of a picture changes with what it shows


def add_pages(app: Flask, service: Service) -> None:
    """Add the pages to *app*."""
    app.jinja_env.filters |= {**FILTERS, "kept_share": kept_share}
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.after_request(_protect)
    _add_status(app, service)
    _add_buttons(app, service)
    _add_pictures(app, service)


def _add_status(app: Flask, service: Service) -> None:
    @app.get("/")
    def index() -> WerkzeugResponse:
        if prefers_html():
            return redirect(url_for("status"))
        service.ping()
        return jsonify(status="UP", model_class="oneshot")

    @app.get("/status")
    def status() -> Response:
        return _page(service) if prefers_html() else jsonify(service.status())


def _add_buttons(app: Flask, service: Service) -> None:
    @app.post(f"/projects/<int:project_id>/<any({_any_of(NAMES)}):action>")
    def act(project_id: int, action: str) -> WerkzeugResponse:
        _require_ids(project_id)
        return _answer(service.act(action, project_id))

    @app.post(
        f"/projects/<int:project_id>/annotations/<int:annotation_id>/<any({_any_of(OF_ANNOTATIONS)}):action>"
    )
    def let_teach(project_id: int, annotation_id: int, action: str) -> WerkzeugResponse:
        _require_ids(project_id, annotation_id)
        return _answer(service.let_teach(action, project_id, annotation_id))

    @app.post(f"/projects/<int:project_id>/generations/<version>/{MAKE_CURRENT}")
    def make_current(project_id: int, version: str) -> WerkzeugResponse:
        _require_ids(project_id)
        return _answer(service.make_current(project_id, version))


def _any_of(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def _answer(done: Done) -> WerkzeugResponse:
    """Lead a browser back to the page, which says what was done; tell a program."""
    if not prefers_html():
        return jsonify(done.as_json())
    address = url_for(
        "status",
        _anchor=f"project-{done.project_id}",
        did=done.action,
        project=done.project_id,
        amount=done.amount,
    )
    return redirect(address, code=303)


def _page(service: Service) -> Response:
    shown, now_s = service.shown(), time.time()
    views = {project["id"]: project_view(project, shown) for project in shown["projects"]}
    in_order = sorted(shown["projects"], key=lambda each: (not views[each["id"]].is_open, -each["id"]))
    done = done_of(*(request.args.get(name, "") for name in ("did", "project", "amount")))
    response = make_response(
        render_template(
            "status.html",
            **{**shown, "projects": in_order},  # not by their last change: nothing may jump about
            views=views,
            learning={
                project["id"]: learning_view(project["learning"], now_s=now_s, learns=service.learns)
                for project in shown["projects"]
            },
            states=STATES,
            label_studio_url=service.label_studio_url(),
            notice=done.sentence(_name(views, done.project_id)) if done else None,
        )
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _name(views: Mapping[int, ProjectView], project_id: int) -> str:
    return views[project_id].name if project_id in views else f"Project {project_id}"


def _protect(response: Response) -> Response:
    """Let a page load nothing and send nothing but what is ours; nobody else may put it into a frame."""
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["Referrer-Policy"] = "same-origin"
    return response


def _add_pictures(app: Flask, service: Service) -> None:
    @app.get("/projects/<int:project_id>/tasks/<int:task_id>.jpg")
    def task_picture(project_id: int, task_id: int) -> Response:
        return _picture(service.pictures.task(project_id, task_id))

    @app.get("/projects/<int:project_id>/references/<int:annotation_id>.jpg")
    def reference_picture(project_id: int, annotation_id: int) -> Response:
        label = request.args.get("label", "")
        return _picture(service.pictures.reference(project_id, annotation_id, label))


def _picture(jpeg: bytes | None) -> Response:
    if jpeg is None:
        abort(404, "expected a picture that is kept; this one is too old, or was never drawn")
    response = Response(jpeg, mimetype="image/jpeg")
    response.headers["Cache-Control"] = f"private, max-age={_PICTURE_S}"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _require_ids(*ids: int) -> None:
    for each in ids:
        if not 0 < each <= _LARGEST_ID:
            abort(404, f"expected an id of Label Studio, got {each}")
