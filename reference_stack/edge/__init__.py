"""The balancers in front of everything."""
