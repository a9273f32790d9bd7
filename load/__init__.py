"""Floor 4: clinicians as clients: every attempt becomes a row, every note is accounted for."""
