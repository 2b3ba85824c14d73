"""The label config's XML: which control paints the masks, on which image, with which labels."""

from dataclasses import dataclass


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
        LabelConfigError: the config is not XML.
    """
    raise NotImplementedError
