"""The names that predictions are made under: what Label Studio knows as ``model_version``."""

import re
from pathlib import PurePosixPath

_LONGEST_SLUG = 48
_NO_REFERENCE = "noref"


def checkpoint_slug(name: str) -> str:
    """Shorten a checkpoint's hub id or folder to a word: ``facebook/sam-vit-base`` becomes ``sam-vit-base``.

    The web process and the worker both call it on the setting ``ONESHOT_SAM``, so that both say the same
    version without either knowing the other.
    """
    slug = re.sub(r"[^a-z0-9.]+", "-", PurePosixPath(name.strip()).name.lower()).strip("-.")
    return slug[:_LONGEST_SLUG] or "sam"


def model_version(checkpoint: str, digest: str | None = None) -> str:
    """Name a generation.

    Args:
        checkpoint: what ``checkpoint_slug`` returned.
        digest: of the references and of the settings that change masks; None while there is no reference.
    """
    return f"oneshot-{checkpoint}-{digest or _NO_REFERENCE}"
