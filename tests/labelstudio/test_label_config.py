"""Label configs, as people and attackers write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.labelstudio.errors import LabelConfigError, NoBrushLabelsError
from backend.labelstudio.label_config import BrushControl, brush_control

IMAGE = '<Image name="photo" value="$picture"/>'
BRUSH = '<BrushLabels name="tag" toName="photo">'


def test_the_control_its_image_and_its_labels_are_found() -> None:
    config = f'<View>{IMAGE}{BRUSH}<Label value="A"/><Label value="B"/></BrushLabels></View>'

    assert brush_control(config) == BrushControl("tag", "photo", "picture", ("A", "B"))


def test_an_alias_stands_in_regions_instead_of_the_value() -> None:
    """Label Studio shows the value and stores the alias."""
    config = f'<View>{IMAGE}{BRUSH}<Label value="Shown" alias="stored"/></BrushLabels></View>'

    assert brush_control(config).labels == ("stored",)


def test_labels_and_controls_may_be_nested_in_views() -> None:
    config = (
        f"<View><View><!-- left -->{IMAGE}</View><View>"
        '<BrushLabels name="tag" toName="photo"><View><Label value="A"/></View></BrushLabels></View></View>'
    )

    assert brush_control(config).labels == ("A",)


def test_the_first_brush_on_an_image_wins() -> None:
    """Brushes on other objects, and other controls on the image, are passed over."""
    config = (
        f'<View>{IMAGE}<Video name="film" value="$film"/>'
        '<RectangleLabels name="box" toName="photo"><Label value="X"/></RectangleLabels>'
        '<BrushLabels name="frames" toName="film"><Label value="X"/></BrushLabels>'
        '<BrushLabels name="first" toName="film, photo"><Label value="A"/></BrushLabels>'
        '<BrushLabels name="second" toName="photo"><Label value="B"/></BrushLabels></View>'
    )

    assert brush_control(config) == BrushControl("first", "photo", "picture", ("A",))


def test_without_brush_labels_the_error_says_what_there_is_and_what_to_add() -> None:
    config = (
        f'<View>{IMAGE}<RectangleLabels name="box" toName="photo"><Label value="X"/></RectangleLabels></View>'
    )

    with pytest.raises(NoBrushLabelsError) as caught:
        brush_control(config)

    assert "RectangleLabels 'box' on 'photo'" in str(caught.value)
    assert "Image 'photo'" in str(caught.value)
    assert '<BrushLabels name="label" toName="image">' in str(caught.value)


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
            f'<View><Image name="photo" valueList="$p"/>{BRUSH}<Label value="A"/></BrushLabels></View>',
            "valueList",
        ),
        ("<View>" + " " * 1_000_000 + "</View>", "at most 1000000 characters"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_says_what_was_expected(config: str, message: str) -> None:
    with pytest.raises(LabelConfigError, match=message):
        brush_control(config)


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
        brush_control(config)


@given(st.text() | st.text(alphabet="<>/=\"' VBIi$"))
def test_any_text_is_a_control_or_an_error_of_ours(config: str) -> None:
    try:
        brush_control(config)
    except LabelConfigError:
        return
