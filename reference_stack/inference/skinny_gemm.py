"""The product of `skinny_gemm.c`, compiled on this machine where it has a C compiler.

One thread's matrix product for batches of up to 8. CPU time against OpenBLAS 0.3.21, weights of
SmolLM2 on an EPYC with AVX-512, busy machine: 2 times as fast for one row, 1.2 for four, equal from
eight on (both are then at the processor's limit). Without a compiler OpenBLAS does it all.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from reference_stack.models import model_cache

SOURCE: Final = Path(__file__).with_suffix(".c")
#: How the library's file name begins; it also names the library that it forwards to.
LIBRARY: Final = "skinny-openblas"
_FLAGS: Final = ("-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC")
_COMPILERS: Final = ("cc", "gcc", "clang")
_COMPILE_TIMEOUT_S: Final = 60


def load(openblas: str) -> bool:
    """Load it globally, before the library `openblas`, to which it hands on what it can't do.

    Whether that was done: no compiler, or a cache that can't be written, is no error.
    """
    path = _compiled()
    if path is None:
        return False
    mode = os.RTLD_GLOBAL | os.RTLD_NOW
    try:
        # Found before ours is there for all: without it to hand on to, ours must not be used.
        general = ctypes.cast(ctypes.CDLL(openblas).cblas_sgemm, ctypes.c_void_p)
        skinny = ctypes.CDLL(str(path), mode=mode)
        skinny.skinny_forward_to(general)
        ctypes.CDLL(openblas, mode=mode)
    except (OSError, AttributeError):
        return False
    return True


def _compiled() -> Path | None:
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None or not SOURCE.exists():
        return None
    folder = model_cache() / "native"
    path = folder / f"{LIBRARY}-{_fingerprint()}.so"
    if path.exists():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            made = Path(work) / path.name
            subprocess.run(
                [compiler, *_FLAGS, "-o", str(made), str(SOURCE)],
                check=True,
                capture_output=True,
                timeout=_COMPILE_TIMEOUT_S,
            )
            made.replace(path)
    except (OSError, subprocess.SubprocessError):
        return None
    return path


def _fingerprint() -> str:
    """Of the source and of the processor: what `native` is, differs between machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        features = ""
    identity = f"{platform.machine()} {features} {_FLAGS}".encode() + SOURCE.read_bytes()
    return hashlib.sha256(identity).hexdigest()[:16]
