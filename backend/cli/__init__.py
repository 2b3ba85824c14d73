"""The command `oneshot`, one file per subcommand."""
