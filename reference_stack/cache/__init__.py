"""Redis with Sentinel: what may be lost, and what the stack does without it."""
