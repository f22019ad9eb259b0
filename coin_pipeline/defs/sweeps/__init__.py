"""The sweep job: its ops, config, progress and run metadata."""
