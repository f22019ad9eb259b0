"""The retention job and its schedule."""
