"""Speech to text on mlx-whisper, and text to speech, for one node.

Recognition runs in a worker process of its own. This file imports nothing: the worker must choose
its BLAS before anything imports mlx.
"""
