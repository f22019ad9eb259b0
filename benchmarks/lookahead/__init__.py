"""Corpus of the look-ahead check: strategies that look ahead, and honest ones that may be mistaken for them."""
