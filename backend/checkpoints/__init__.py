"""Gets model weights onto the disk and opens them."""
