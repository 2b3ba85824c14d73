"""The label config's XML: which control paints the masks, on which image, with which labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backend.labelstudio.errors import LabelConfigError, NoBrushLabelsError

_MAX_CHARACTERS = 1_000_000
_EXAMPLE = (
    '<Image name="image" value="$image"/> '
    '<BrushLabels name="label" toName="image"><Label value="Coin"/></BrushLabels>'
)


@dataclass(frozen=True)
class BrushControl:
    """The BrushLabels control that annotations and predictions go through.

    Attributes:
        from_name: the control's name.
        to_name: the name of the Image it paints on.
        image_key: the key of the image's address in a task's data.
        labels: the labels as they stand in a region's ``brushlabels``, in the config's order.
    """

    from_name: str
    to_name: str
    image_key: str
    labels: tuple[str, ...]


def brush_control(label_config: str) -> BrushControl:
    """The first BrushLabels of *label_config* whose ``toName`` is an Image.

    Raises:
        NoBrushLabelsError: there is none; says which controls there are and what to add.
        LabelConfigError: the config is not XML, or the control names no labels or no image of a task.
    """
    root = _parse(label_config)
    images = {tag.get("name", ""): tag for tag in _tags(root, "image")}
    for tag in _tags(root, "brushlabels"):
        for to_name in _to_names(tag):
            if to_name in images:
                return _control(tag, images[to_name])
    raise NoBrushLabelsError(
        f"the label config needs BrushLabels on an Image, such as {_EXAMPLE}; it has {_inventory(root)}"
    )


def _parse(label_config: str) -> Element:
    if len(label_config) > _MAX_CHARACTERS:
        raise LabelConfigError(
            f"expected a label config of at most {_MAX_CHARACTERS} characters, got {len(label_config)}"
        )
    try:
        root: Element = fromstring(label_config, forbid_dtd=True)
    except ParseError as exc:
        raise LabelConfigError(f"expected the label config to be XML, got a syntax error: {exc}") from exc
    except (DefusedXmlException, ValueError) as exc:
        raise LabelConfigError(
            f"expected a label config of tags only, without a document type or entities: {exc}"
        ) from exc
    return root


def _control(tag: Element, image: Element) -> BrushControl:
    name = tag.get("name", "")
    labels = tuple(dict.fromkeys(filter(None, (_label_text(label) for label in _tags(tag, "label")))))
    if not labels:
        raise LabelConfigError(f'expected <Label value="…"/> inside BrushLabels {name!r}, found none')
    value = image.get("value", "")
    if not value.startswith("$") or len(value) == 1:
        raise LabelConfigError(
            f'expected Image {image.get("name")!r} to have a value like "$image", got {value!r}; '
            "images in a valueList are not supported"
        )
    return BrushControl(name, image.get("name", ""), value[1:], labels)


def _label_text(label: Element) -> str:
    """What Label Studio writes into regions: the alias, if there is one."""
    return label.get("alias") or label.get("value") or ""


def _tags(root: Element, name: str) -> Iterator[Element]:
    return (tag for tag in root.iter() if isinstance(tag.tag, str) and tag.tag.lower() == name)


def _to_names(tag: Element) -> list[str]:
    return [name.strip() for name in tag.get("toName", "").split(",")]


def _inventory(root: Element) -> str:
    controls = [
        f"{tag.tag} {tag.get('name')!r} on {tag.get('toName')!r}" for tag in root.iter() if tag.get("toName")
    ]
    images = [f"Image {tag.get('name')!r}" for tag in _tags(root, "image")]
    return ", ".join([*controls, *images]) or "no controls and no Image"
