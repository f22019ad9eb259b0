"""The checks of `coin doctor`: what a working installation needs, and what to do about what is missing."""
