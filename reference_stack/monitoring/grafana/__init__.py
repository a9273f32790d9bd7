"""The operator's page as a Grafana dashboard, and the files that make Grafana show it."""
