"""Entry point of `python -m coin_pipeline.cli`, which is the `coin` command."""

from coin_pipeline.cli.app import main

if __name__ == "__main__":
    main()
