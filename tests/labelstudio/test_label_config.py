"""Label configs, as people and attackers write them."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from backend.labelstudio.errors import LabelConfigError, NoMaskControlError
from backend.labelstudio.label_config import Control, Geometry, all_labels, image_controls, image_keys

IMAGE = '<Image name="photo" value="$picture"/>'
BRUSH = '<BrushLabels name="tag" toName="photo">'


def test_the_control_its_image_and_its_labels_are_found() -> None:
    config = f'<View>{IMAGE}{BRUSH}<Label value="A"/><Label value="B"/></BrushLabels></View>'

    assert image_controls(config) == (Control("tag", "photo", "picture", ("A", "B")),)


def test_an_alias_stands_in_regions_instead_of_the_value() -> None:
    """Label Studio shows the value and stores the alias."""
    config = f'<View>{IMAGE}{BRUSH}<Label value="Shown" alias="stored"/></BrushLabels></View>'

    assert all_labels(image_controls(config)) == ("stored",)


def test_labels_and_controls_may_be_nested_in_views() -> None:
    config = (
        f"<View><View><!-- left -->{IMAGE}</View><View>"
        '<BrushLabels name="tag" toName="photo"><View><Label value="A"/></View></BrushLabels></View></View>'
    )

    assert all_labels(image_controls(config)) == ("A",)


@pytest.mark.parametrize("geometry", ["brush", "bitmask", "polygon", "rectangle", "ellipse"])
def test_each_kind_of_control_that_holds_masks_is_found(geometry: Geometry) -> None:
    tag = f"{geometry.capitalize()}Labels"
    config = f'<View>{IMAGE}<{tag} name="tag" toName="photo"><Label value="A"/></{tag}></View>'

    (control,) = image_controls(config)

    assert control == Control("tag", "photo", "picture", ("A",), geometry)
    assert control.type == f"{geometry}labels"


def test_generic_labels_go_with_every_drawing_control_of_their_image() -> None:
    config = (
        f'<View>{IMAGE}<Labels name="what" toName="photo"><Label value="A"/></Labels>'
        '<Brush name="paint" toName="photo"/><Polygon name="outline" toName="photo"/>'
        '<Text name="text" value="$text"/><Labels name="words" toName="text"><Label value="B"/></Labels>'
        "</View>"
    )

    assert image_controls(config) == (
        Control("paint", "photo", "picture", ("A",), "brush", labels_name="what"),
        Control("outline", "photo", "picture", ("A",), "polygon", labels_name="what"),
    )
    assert [control.type for control in image_controls(config)] == ["brush", "polygon"]


@pytest.mark.parametrize(
    ("wanted", "is_named"),
    [
        ("p", True),
        ("P", True),
        ("PolygonLabels", True),
        ("polygonlabels", True),
        ("Polygon", False),
        ("", False),
    ],
)
def test_a_control_is_named_by_its_name_or_its_tag(wanted: str, is_named: bool) -> None:
    own, shared = (Control("p", "image", "image", ("Coin",), "polygon", labels) for labels in ("", "labels"))

    assert own.is_named(wanted) == is_named
    assert (own.tag, shared.tag) == ("PolygonLabels", "Polygon")
    assert shared.is_named("Polygon")


def test_all_controls_are_found_in_order_and_one_for_each_image() -> None:
    """Controls on other objects, and those without masks, are passed over."""
    config = (
        f'<View>{IMAGE}<Image name="back" value="$behind"/><Video name="film" value="$film"/>'
        '<Choices name="kind" toName="photo"><Choice value="X"/></Choices>'
        '<BrushLabels name="frames" toName="film"><Label value="X"/></BrushLabels>'
        '<RectangleLabels name="box" toName="film, back, photo"><Label value="A"/></RectangleLabels>'
        '<BrushLabels name="brush" toName="photo"><Label value="B"/><Label value="A"/></BrushLabels></View>'
    )

    controls = image_controls(config)

    assert [(control.from_name, control.to_name, control.image_key) for control in controls] == [
        ("box", "back", "behind"), ("box", "photo", "picture"), ("brush", "photo", "picture"),
    ]  # fmt: skip
    assert all_labels(controls) == ("A", "B")


def test_labels_may_come_from_each_tasks_data() -> None:
    config = f'<View>{IMAGE}<PolygonLabels name="tag" toName="photo" value="$things"/></View>'
    things = [{"value": "Cola", "html": "<b/>"}, {"value": "Shown", "alias": "stored"}, "Bare", 7, {}]

    (control,) = image_controls(config)

    assert control.labels == ()
    assert control.labels_of({"things": things}) == ("Cola", "stored", "Bare")
    assert control.labels_of({"things": "none"}) == control.labels_of({}) == ()


@pytest.mark.parametrize("attribute", ['valueList="$p.q"', 'value="$x" valuelist="$p.q"'])
def test_an_image_may_show_a_list_whose_length_is_each_tasks_own(attribute: str) -> None:
    """The editor reads attributes in lower case, and shows the list where there is an image as well."""
    config = f'<View><Image name="photo" {attribute}/>{BRUSH}<Label value="A"/></BrushLabels></View>'

    (control,) = image_controls(config)

    assert control == Control("tag", "photo", "p.q", ("A",), image_list=True)
    assert [control.items_of({"p": {"q": pages}}) for pages in (["/1", "/2"], ["/1"], [], "/1")] == [
        (0, 1),
        (0,),
        (0,),
        (0,),
    ]
    assert control.key_of(1) == "p.q[1]"


def test_an_image_outside_of_a_list_has_no_number() -> None:
    (control,) = image_controls(f'<View>{IMAGE}{BRUSH}<Label value="A"/></BrushLabels></View>')

    assert control.items_of({"picture": ["/1", "/2"]}) == (None,)
    assert control.key_of(None) == "picture"


def test_the_keys_of_a_tasks_images_come_once_each() -> None:
    """In the config's order, whatever draws on them."""
    pages, box = Control("b", "pages", "p", ("A",), image_list=True), Control("box", "photo", "x", ("A",))

    assert image_keys([box, pages, box, pages], {"p": ["/1", "/2"]}) == ("x", "p[0]", "p[1]")


def test_a_control_that_cannot_be_used_does_not_hide_one_that_can() -> None:
    config = (
        f'<View>{IMAGE}<Image name="bare"/>'
        '<BrushLabels name="all" toName="bare,photo"><Label value="A"/></BrushLabels></View>'
    )

    assert [control.to_name for control in image_controls(config)] == ["photo"]


def test_without_a_control_that_holds_masks_the_error_says_what_there_is_and_what_to_add() -> None:
    config = (
        f'<View>{IMAGE}<KeyPointLabels name="dot" toName="photo"><Label value="X"/></KeyPointLabels></View>'
    )

    with pytest.raises(NoMaskControlError) as caught:
        image_controls(config)

    assert "KeyPointLabels 'dot' on 'photo'" in str(caught.value)
    assert "Image 'photo'" in str(caught.value)
    assert '<BrushLabels name="label" toName="image">' in str(caught.value)


TEMPLATES = sorted(
    Path(__file__)
    .parents[2]
    .glob(".venv-label-studio/lib/python3*/site-packages/label_studio/annotation_templates/**/config.yml")
)
USABLE = {
    "object-detection-with-bounding-boxes": [("label", "rectangle")],
    "medical-image-classification-with-bboxes": [("label", "rectangle")],
    "semantic-segmentation-with-masks": [("tag", "brush")],
    "semantic-segmentation-with-polygons": [("label", "polygon")],
    "optical-character-recognition": [("bbox", "rectangle"), ("poly", "polygon")],
    "inventory-tracking": [("objects", "polygon")],
    "ocr-invoices-pre-ner-bio-format": [("label", "rectangle")],
    "visual-genome": [
        ("regions", "rectangle"), ("attributes", "rectangle"), ("relationships", "rectangle"),
    ],
    "multipage-documents": [("rectangles", "rectangle")],
}  # fmt: skip


def test_every_template_of_label_studio_gives_its_controls_or_says_what_it_lacks() -> None:
    """They ship in its wheel. Those without a control that holds masks are about other things."""
    assert len(TEMPLATES) > 60, "install Label Studio: make setup"
    found: dict[str, list[tuple[str, str]]] = {}
    errors = {}
    for path in TEMPLATES:
        config = str(yaml.safe_load(path.read_text()).get("config") or "")
        try:
            found[path.parent.name] = [(each.from_name, each.geometry) for each in image_controls(config)]
        except LabelConfigError as exc:
            errors[path.parent.name] = str(exc)

    assert found == USABLE
    assert {each[:39] for each in errors.values() if "<Image" in each} == {
        "the label config needs BrushLabels, Bit"
    }


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("", "to be XML"),
        ("<View>", "to be XML"),
        ("not xml", "to be XML"),
        ("\x00", "to be XML"),
        (f'<View>{IMAGE}<BrushLabels name="t" toName="photo"/></View>', "found none"),
        (
            f'<View><Image name="photo" value="$"/>{BRUSH}<Label value="A"/></BrushLabels></View>',
            "value like",
        ),
        (
            f'<View><Image name="photo" valueList="p"/>{BRUSH}<Label value="A"/></BrushLabels></View>',
            """valueList like "\\$images", got 'p'""",
        ),
        (
            '<Repeater on="$p" indexFlag="{{i}}"><Image name="page_{{i}}" value="$p[{{i}}].url"/>'
            + BRUSH.replace("photo", "page_{{i}}")
            + '<Label value="A"/></BrushLabels></Repeater>',
            "Repeater are not supported: name each",
        ),
        ("<View>" + " " * 1_000_000 + "</View>", "at most 1000000 characters"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_says_what_was_expected(config: str, message: str) -> None:
    with pytest.raises(LabelConfigError, match=message):
        image_controls(config)


@pytest.mark.parametrize(
    "config",
    [
        '<!DOCTYPE v [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><View>&b;</View>',
        '<!DOCTYPE v [<!ENTITY f SYSTEM "file:///etc/passwd">]><View>&f;</View>',
        '<!DOCTYPE v SYSTEM "http://127.0.0.1:1/x.dtd"><View/>',
    ],
)
def test_entity_bombs_and_outside_files_are_refused_unread(config: str) -> None:
    with pytest.raises(LabelConfigError, match="without a document type or entities"):
        image_controls(config)


@given(st.text() | st.text(alphabet="<>/=\"' VBIi$"))
def test_any_text_is_a_control_or_an_error_of_ours(config: str) -> None:
    try:
        image_controls(config)
    except LabelConfigError:
        return
