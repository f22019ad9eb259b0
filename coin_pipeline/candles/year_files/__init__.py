"""Year files: where they are, their Parquet format, and merging candles into them."""
