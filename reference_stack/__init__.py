"""The runnable system: real services, data stores and edge, started and killed site by site."""
