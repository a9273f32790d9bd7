"""What is used of mlx-lm, imported without its side effect. Import after `blas.prepare_process`.

On import mlx-lm lowers the process's limit of open files to 2,048, for itself and for every program
started later, which is too few for a balancer; few may raise a lowered limit again.
"""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def limits_kept() -> Iterator[None]:
    """Within the block nothing in this process changes its resource limits."""
    change = resource.setrlimit
    resource.setrlimit = lambda *_: None
    try:
        yield
    finally:
        resource.setrlimit = change


with limits_kept():
    from mlx_lm import load
    from mlx_lm.generate import BatchGenerator, GenerationBatch
    from mlx_lm.models.cache import LRUPromptCache
    from mlx_lm.sample_utils import apply_top_p

__all__ = ["BatchGenerator", "GenerationBatch", "LRUPromptCache", "apply_top_p", "load"]
