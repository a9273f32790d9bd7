"""One site: its processes held together, its supervisor, its network."""
