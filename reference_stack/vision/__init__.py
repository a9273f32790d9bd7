"""Faces (embeddings for login) and medical images (measures, no diagnosis) of one node."""
