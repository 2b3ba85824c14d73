"""How to search, as the settings say: for every process that runs the core."""

from backend.settings import Settings
from backend.vision.pipeline import SearchOptions


def search_options(settings: Settings) -> SearchOptions:
    """Take what concerns the search out of the settings."""
    return SearchOptions(
        search=settings.oneshot_search,
        guidance=settings.oneshot_guidance,
        fine_tuned=settings.oneshot_fine_tuned,
        min_similarity=settings.oneshot_min_similarity,
        max_instances=settings.oneshot_max_instances,
        max_tiles=settings.oneshot_max_tiles,
    )
