"""The choice of BLAS, in fresh processes: it can't be undone in this one."""

import ctypes.util
import subprocess
import sys

import pytest


def _run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
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
def test_openblas_is_bound_before_mlx_with_the_asked_threads():
    assert _run(WITH_BLAS) == "openblas 3 3 openblas"


@on_linux_with_openblas
def test_choosing_after_mlx_is_refused():
    assert _run(TOO_LATE) == "too late"


def test_importing_the_service_does_not_import_mlx():
    program = "import sys, reference_stack.inference.__main__; print('mlx.core' in sys.modules)"
    assert _run(program) == "False"


def test_importing_mlx_lm_leaves_the_limit_of_open_files_alone():
    program = """
import resource
from reference_stack.inference.blas import prepare_process
resource.setrlimit(resource.RLIMIT_NOFILE, (8500, 9000))
prepare_process(1)
import reference_stack.inference.batching
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    assert _run(program) == "(8500, 9000)"
