"""The language model service of one node: OpenAI's chat API over mlx-lm's continuous batching.

It runs as a host process, beside any cluster, because that is where the GPU is (D-14).
`blas.prepare_process` must run before anything imports mlx; for that reason this file imports
nothing.
"""
