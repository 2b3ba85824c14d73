"""The core: arrays in, instances out. Never files, HTTP or Redis."""
