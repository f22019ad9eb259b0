"""The migration checklist: its sections, item by item."""
