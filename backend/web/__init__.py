"""HTTP in: the Label Studio ML protocol and the status page. Never torch, never vision."""
