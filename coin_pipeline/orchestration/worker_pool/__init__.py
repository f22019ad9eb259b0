"""Pool of loaded worker processes that execute runs."""
