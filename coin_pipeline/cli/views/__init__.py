"""What commands print: results, tables, calendars and progress bars."""
