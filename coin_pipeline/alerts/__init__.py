"""Alerts: what is reported to operators, stored before it is sent, and sent once."""
