"""The label config's XML: which controls hold masks, on which image, with which labels."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backend.labelstudio.errors import LabelConfigError, NoMaskControlError
from backend.labelstudio.task_data import task_value

Geometry = Literal["brush", "bitmask", "polygon", "rectangle", "ellipse"]

_GEOMETRIES: tuple[Geometry, ...] = get_args(Geometry)
_MAX_CHARACTERS = 1_000_000
_REPEATED = "{{"  # begins the number of an image in a Repeater
Place = tuple[str, int | None]  # an image of a task: name of its Image, and number where that shows a list
_EXAMPLE = (
    '<Image name="image" value="$image"/> '
    '<BrushLabels name="label" toName="image"><Label value="Coin"/></BrushLabels>'
)


@dataclass(frozen=True)
class Control:
    """One control that annotations and predictions go through, on one image.

    Attributes:
        from_name: the control's name.
        to_name: the name of the Image it draws on.
        image_key: the key of the image's address in a task's data, or of a list of addresses.
        labels: the labels as they stand in regions, in the config's order.
        geometry: what it draws.
        labels_name: the Labels control that holds the labels; empty when the control has its own.
        labels_key: the key of more labels in a task's data; empty when there are none.
        image_list: whether the Image shows a list of images, one at a time (``valueList``).
    """

    from_name: str
    to_name: str
    image_key: str
    labels: tuple[str, ...]
    geometry: Geometry = "brush"
    labels_name: str = ""
    labels_key: str = ""
    image_list: bool = False

    @property
    def type(self) -> str:
        """The ``type`` of its regions, which is also the key of its own labels."""
        return self.geometry if self.labels_name else f"{self.geometry}labels"

    @property
    def tag(self) -> str:
        """Its tag in the label config, as Label Studio's documentation writes it."""
        return self.geometry.capitalize() + ("" if self.labels_name else "Labels")

    def is_named(self, wanted: str) -> bool:
        """Whether *wanted* is its name or its tag, as predictions are given theirs (``outputs``)."""
        return bool({wanted, wanted.lower()} & {self.from_name, self.type} - {""})

    @property
    def surrounds(self) -> bool:
        """Whether its regions are drawn around things; else they show the things themselves."""
        return self.geometry in ("rectangle", "ellipse")

    def items_of(self, task_data: Mapping[str, Any]) -> tuple[int | None, ...]:
        """The number of each image that a task shows in its Image: None for the only one.

        Of a task without such a list it is that of the first, whose address is then found missing.
        """
        if not self.image_list:
            return (None,)
        found = task_value(task_data, self.image_key)
        return tuple(range(max(1, len(found) if isinstance(found, list) else 0)))

    def key_of(self, item: int | None) -> str:
        """The key of an image's address in a task's data.

        Args:
            item: its number in the list that its Image shows; None: it is the only one.
        """
        return self.image_key if item is None else f"{self.image_key}[{item}]"

    def labels_of(self, task_data: Mapping[str, Any]) -> tuple[str, ...]:
        """All labels that a region of a task may have, those from the task's data last."""
        more = task_value(task_data, self.labels_key) if self.labels_key else ()
        found = map(_label_value, more if isinstance(more, list) else ())
        return tuple(dict.fromkeys([*self.labels, *filter(None, found)]))


def image_controls(label_config: str) -> tuple[Control, ...]:
    """The controls of *label_config* that hold masks, in its order.

    BrushLabels, BitmaskLabels, PolygonLabels, RectangleLabels and EllipseLabels, and Brush, Bitmask, Polygon,
    Rectangle and Ellipse with Labels on the same Image; one for each Image that a control draws on.

    Raises:
        NoMaskControlError: there is none; says which controls there are and what to add.
        LabelConfigError: the config is not XML, or none of the controls has labels and an image of a task.
    """
    root = _parse(label_config)
    controls: list[Control] = []
    refusals: list[LabelConfigError] = []
    for geometry, tag, labels, image in _drawing_tags(root):
        try:
            controls.append(_control(geometry, tag, labels, image))
        except LabelConfigError as exc:
            refusals.append(exc)
    if controls:
        return tuple(controls)
    if refusals:
        raise refusals[0]
    raise NoMaskControlError(
        "the label config needs BrushLabels, BitmaskLabels, PolygonLabels, RectangleLabels or EllipseLabels "
        f"on an Image, such as {_EXAMPLE}; it has {_inventory(root)}"
    )


def all_labels(controls: Iterable[Control], task_data: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """The labels of *controls*, each once, in the config's order; with *task_data* also those of one task."""
    return tuple(dict.fromkeys(label for each in controls for label in each.labels_of(task_data or {})))


def image_keys(controls: Iterable[Control], task_data: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of the addresses of all images in a task's data that *controls* draw on, each once."""
    return tuple(dict.fromkeys(each.key_of(item) for each in controls for item in each.items_of(task_data)))


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


def _drawing_tags(root: Element) -> Iterator[tuple[Geometry, Element, Element, Element]]:
    """Geometry, control, the tag that holds its labels (maybe itself), and Image, in the config's order."""
    images = {tag.get("name", ""): tag for tag in _tags(root, "image")}
    for tag in root.iter():
        name = tag.tag.lower() if isinstance(tag.tag, str) else ""
        for geometry in _GEOMETRIES:
            for to_name in _to_names(tag) if name in (geometry, f"{geometry}labels") else ():
                holders = [tag] if name != geometry else _generic_labels(root, to_name)
                for labels in holders if to_name in images else ():
                    yield geometry, tag, labels, images[to_name]


def _generic_labels(root: Element, to_name: str) -> list[Element]:
    return [tag for tag in _tags(root, "labels") if to_name in _to_names(tag)]


def _control(geometry: Geometry, tag: Element, holder: Element, image: Element) -> Control:
    labels = tuple(dict.fromkeys(filter(None, (_label_text(label) for label in _tags(holder, "label")))))
    labels_key = _task_key(holder.get("value", ""))
    if not labels and not labels_key:
        raise LabelConfigError(
            f'expected <Label value="…"/> inside {holder.tag} {holder.get("name", "")!r}, found none'
        )
    value, image_list = _image_value(image)
    image_key = _task_key(value)
    if _REPEATED in image_key:
        raise LabelConfigError(
            f"images in a Repeater are not supported: name each, like "
            f'<Image name="first" value="${image_key.partition("[")[0]}[0]"/>'
        )
    if not image_key:
        raise LabelConfigError(
            f'expected Image {image.get("name")!r} to have a value like "$image" or a valueList like '
            f'"$images", got {value!r}'
        )
    labels_name = holder.get("name", "") if holder is not tag else ""
    return Control(
        *(tag.get("name", ""), image.get("name", ""), image_key, labels),
        geometry=geometry,
        labels_name=labels_name,
        labels_key=labels_key,
        image_list=image_list,
    )


def _image_value(image: Element) -> tuple[str, bool]:
    """What an Image shows, and whether that is a list, which goes before a single image."""
    named = {name.lower(): value for name, value in image.items()}  # as Label Studio's editor reads them
    return (named["valuelist"], True) if "valuelist" in named else (named.get("value", ""), False)


def _task_key(value: str) -> str:
    """The key in a task's data that *value* names; empty when it names none."""
    return value[1:] if value.startswith("$") else ""


def _label_text(label: Element) -> str:
    """What Label Studio writes into regions: the alias, if there is one."""
    return label.get("alias") or label.get("value") or ""


def _label_value(label: object) -> str:
    """The same for a label in a task's data: a text, or an object with a value."""
    if isinstance(label, Mapping):
        label = label.get("alias") or label.get("value")
    return label if isinstance(label, str) else ""


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
