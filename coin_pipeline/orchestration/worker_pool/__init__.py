"""The pool of loaded worker processes that execute runs."""
