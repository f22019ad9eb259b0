"""`python -m coin_pipeline.cli` is `coin`, wherever that is installed."""

from coin_pipeline.cli.app import main

if __name__ == "__main__":
    main()
