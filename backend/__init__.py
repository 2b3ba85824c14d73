"""label-studio-oneshot: one annotated mask in, a pre-annotated Label Studio project out."""
