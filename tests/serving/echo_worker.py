"""A worker for tests: doubles numbers, and misbehaves when told to."""

import os
import sys
import time
from typing import Any

from pydantic import BaseModel

from reference_stack.serving.child import RefusedError, serve_parent


class EchoSettings(BaseModel):
    load: bool = True
    load_s: float = 0.0


def prepare_with(settings: EchoSettings):
    def prepare():
        time.sleep(settings.load_s)
        if not settings.load:
            raise FileNotFoundError("no weights")
        return answer

    return prepare


def answer(task: Any):
    match task:
        case "crash":
            os._exit(3)
        case "hang":
            time.sleep(600)
        case "refuse":
            raise RefusedError("I don't like it")
        case "raise":
            raise ValueError("a bug")
        case "nice":
            return os.nice(0)
        case "pid":
            return os.getpid()
    return task * 2


if __name__ == "__main__":
    serve_parent(
        int(sys.argv[1]), prepare_with(EchoSettings.model_validate_json(sys.argv[2])), niceness=3
    )
