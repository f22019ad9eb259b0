"""The migration checklist: its items by section, and the code that runs it."""
