"""From the environment to the regions of predictions."""

from backend.labelstudio.outputs import OutputOptions
from backend.settings import Settings


def output_options(settings: Settings) -> OutputOptions:
    """Give the settings that change regions."""
    return OutputOptions(
        control=settings.oneshot_control,
        tolerance=settings.oneshot_polygon_tolerance,
        max_regions=settings.oneshot_max_regions,
        beyond=settings.oneshot_beyond_max_regions,
    )
