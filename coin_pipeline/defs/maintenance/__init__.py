"""Retention and the sensors that settle lost runs."""
