"""Progress bars of the libraries that read and write weights."""

from huggingface_hub.utils.tqdm import enable_progress_bars
from transformers.utils.logging import disable_progress_bar


def without_disk_progress() -> None:
    """Draw no progress bars while weights are read from or written to the disk; downloads keep theirs."""
    disable_progress_bar()  # the hub's as well, which the next line takes back
    enable_progress_bars()
