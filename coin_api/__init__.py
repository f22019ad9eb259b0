"""HTTP API: submits runs and reports their status; the runs themselves compute the results."""
