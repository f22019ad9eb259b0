"""Log output of all processes: text or JSON, with the ids of the run, task and request."""
