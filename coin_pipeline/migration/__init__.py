"""Moving from the older platform: the steps, and the checklist that its users hold."""
