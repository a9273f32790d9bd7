"""What the model services of one node have in common: errors, queues, worker processes."""
