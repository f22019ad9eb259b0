"""The worker pool: one process that keeps everything loaded and forks a worker for each run."""
