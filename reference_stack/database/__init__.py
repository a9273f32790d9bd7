"""PostgreSQL under Patroni, and the etcd that holds the lease."""
