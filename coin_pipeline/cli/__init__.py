"""The `coin` command-line interface."""
