"""The jobs of backups, restore drills and the removal of old backups, with their schedules."""
