"""What `oneshot demo` and `oneshot up` run: child processes, demo images, a real Label Studio."""
