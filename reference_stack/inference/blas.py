"""Which matrix library mlx computes with on a CPU.

mlx's Linux wheel carries the reference BLAS, which is 2.5 to 20 times slower here than OpenBLAS.
Symbols of a library loaded globally before mlx win over the ones mlx brings along, so OpenBLAS
is loaded first; and before it, for one thread, a product of our own for small batches (see
`skinny_gemm`). On a Mac mlx uses Metal and Accelerate and nothing is to be done.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Literal

from reference_stack.inference import skinny_gemm

Blas = Literal["openblas-skinny", "openblas", "reference", "accelerate"]

_LIBRARIES = ("libopenblas.so.0", "libopenblas.so")
# Two BLAS threads on shared cores wait for each other and are slower than one.
_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


class TooLateError(RuntimeError):
    """mlx was imported before the BLAS could be chosen."""


class _SymbolInfo(ctypes.Structure):
    _fields_ = (
        ("file_name", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("symbol_name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def prepare_process(threads: int) -> Blas:
    """Choose the BLAS and its number of threads; call before mlx is imported.

    Also keeps the tokenizer library from asking the network about local folders. Without OpenBLAS
    on the machine the answer is "reference": correct, and slow.
    Raises TooLateError if mlx is already there with the reference BLAS.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if sys.platform == "darwin":
        return "accelerate"
    if (bound := _bound()) is not None:
        return bound
    if "mlx.core" in sys.modules:
        raise TooLateError("mlx was imported before reference_stack.inference.blas could choose")
    for name in _THREAD_VARIABLES:
        os.environ[name] = str(threads)
    for library in _LIBRARIES:
        try:
            ctypes.CDLL(library, mode=os.RTLD_NOW)
        except OSError:
            continue
        if not (threads == 1 and skinny_gemm.load(library)):
            ctypes.CDLL(library, mode=os.RTLD_GLOBAL | os.RTLD_NOW)
        if (bound := _bound()) is not None:
            return bound
    return "reference"


def _bound() -> Literal["openblas-skinny", "openblas"] | None:
    """In which of the two a library loaded from now on would find its matrix product."""
    everything = ctypes.CDLL(None)
    try:
        product = everything.cblas_sgemm
        locate = everything.dladdr
    except AttributeError:
        return None
    locate.argtypes = (ctypes.c_void_p, ctypes.POINTER(_SymbolInfo))
    info = _SymbolInfo()
    if not locate(ctypes.cast(product, ctypes.c_void_p), ctypes.byref(info)):
        return None
    file_name = (info.file_name or b"").decode(errors="replace")
    if skinny_gemm.LIBRARY in file_name:
        return "openblas-skinny"
    return "openblas" if "openblas" in file_name else None
