"""The models of one node behind OpenAI's API: chat by mlx-lm's continuous batching, and what
`reference_stack.speech` and `reference_stack.vision` serve beside it.

It runs as a host process, beside any cluster, because that is where the GPU is (D-14).
`blas.prepare_process` must run before anything imports mlx; for that reason this file imports
nothing.
"""
