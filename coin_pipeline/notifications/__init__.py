"""Notifications: what is sent, and the channels that send it, Slack and mail."""
