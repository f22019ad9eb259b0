"""Control loops of the daemon process: they end lost runs and answer for tasks that ended without a result."""
