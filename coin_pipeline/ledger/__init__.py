"""Paper positions: exact accounting, and the journal from which positions and totals derive."""
