"""Sensors that report to operators: runs that failed, failed asset checks, and conditions that no run reports."""
