"""The contract between web and worker: payloads, queue, progress."""
