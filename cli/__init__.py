"""Floor 7: the command line. It composes the parts and holds no logic of its own."""
