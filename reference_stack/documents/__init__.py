"""Documents and images of patients: bytes that no single loss may take.

A hospital node keeps every document in a folder of its own: contents under their SHA-256, and one
small record a version. Both are written once and never changed, so that bringing two folders
together is a union. :mod:`reference_stack.documents.node` says what an acknowledgement promises.
"""
