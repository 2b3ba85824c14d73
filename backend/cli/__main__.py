"""``python -m backend.cli``: the command ``oneshot`` where its script is not on PATH."""

from backend.cli.main import main

main(prog_name="oneshot")
