"""Migration from the legacy platform: the steps that perform it and the checklist that verifies it."""
