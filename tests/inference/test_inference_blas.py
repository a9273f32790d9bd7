"""The choice of BLAS, in fresh processes: it can't be undone in this one."""

import ctypes.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def _run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=400
    )
    return done.stdout.strip()


on_linux_with_openblas = pytest.mark.skipif(
    sys.platform != "linux" or ctypes.util.find_library("openblas") is None,
    reason="needs OpenBLAS on Linux",
)

WITH_BLAS = """
import os
from reference_stack.inference.blas import prepare_process
kind = prepare_process(3)
import mlx.core as mx
a = mx.random.normal((64, 64)); mx.eval(a @ a)
print(kind, os.environ["OPENBLAS_NUM_THREADS"], os.environ["OMP_NUM_THREADS"], prepare_process(3))
"""

TOO_LATE = """
import mlx.core
from reference_stack.inference.blas import TooLateError, prepare_process
try:
    prepare_process(1)
except TooLateError:
    print("too late")
"""


@on_linux_with_openblas
def test_openblas_is_bound_before_mlx_with_the_asked_threads() -> None:
    assert _run(WITH_BLAS) == "openblas 3 3 openblas"


@on_linux_with_openblas
def test_choosing_after_mlx_is_refused() -> None:
    assert _run(TOO_LATE) == "too late"


def test_importing_the_service_does_not_import_mlx() -> None:
    program = "import sys, reference_stack.inference.__main__; print('mlx.core' in sys.modules)"
    assert _run(program) == "False"


def test_importing_mlx_lm_leaves_the_limit_of_open_files_alone() -> None:
    program = """
import resource
from reference_stack.inference.blas import prepare_process
resource.setrlimit(resource.RLIMIT_NOFILE, (8500, 9000))
prepare_process(1)
import reference_stack.inference.batching
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    assert _run(program) == "(8500, 9000)"


PRODUCTS = """
import sys
from reference_stack.inference.blas import prepare_process
print(prepare_process(int(sys.argv[1])))
import mlx.core as mx
import numpy as np
random = np.random.default_rng(2)
worst = 0.0
for rows in (1, 2, 3, 4, 5, 7, 11, 12, 13, 40):
    for columns in (1, 3, 4, 9, 64):
        for depth in (1, 7, 8, 16, 33, 200):
            a = random.normal(size=(rows, depth)).astype(np.float32)
            b = random.normal(size=(columns, depth)).astype(np.float32)
            for left, right in ((a, b.T), (b, a.T)):
                exact = left.astype(float) @ right.astype(float)
                found = np.array(mx.array(left) @ mx.array(right))
                worst = max(worst, float(np.abs(found - exact).max() / depth**0.5))
            strided = mx.array(np.repeat(b, 2, axis=0))[::2]
            found = np.array(mx.addmm(mx.ones((rows, columns)), mx.array(a), strided.T, 0.5, 2.0))
            exact = 2 + 0.5 * (a.astype(float) @ b.T.astype(float))
            worst = max(worst, float(np.abs(found - exact).max() / depth**0.5))
print(worst)
"""


@on_linux_with_openblas
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_products_of_every_shape_are_exact_to_the_last_bits_of_32() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRODUCTS, "1"],
        capture_output=True, text=True, check=True, timeout=400,
    )  # fmt: skip
    blas, worst = done.stdout.split()
    assert blas == "openblas-skinny"
    assert float(worst) < 2e-6


@on_linux_with_openblas
def test_without_a_compiler_openblas_does_it_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PRONTUARIO_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    done = subprocess.run(
        [sys.executable, "-c", PRODUCTS, "1"],
        capture_output=True, text=True, check=True, timeout=400,
    )  # fmt: skip
    assert done.stdout.split()[0] == "openblas"
