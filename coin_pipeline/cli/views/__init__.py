"""Terminal output of the commands: tables, summaries and progress bars."""
