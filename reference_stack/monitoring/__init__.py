"""What watches the stack: Prometheus, Alertmanager, exporters, rules, a page for a failover."""
