"""The worker process of speech to text: python -m reference_stack.speech.worker FD SETTINGS."""

from __future__ import annotations

import sys
from collections.abc import Callable

from reference_stack.inference.blas import prepare_process
from reference_stack.models import check_model_folder
from reference_stack.serving.child import serve_parent
from reference_stack.speech.settings import SpeechSettings
from reference_stack.speech.tasks import Heard, HearTask


def main() -> None:
    """Serve the parent that holds the other end of the socket."""
    settings = SpeechSettings.model_validate_json(sys.argv[2])

    def prepare() -> Callable[[HearTask], list[Heard]]:
        folder = check_model_folder(settings.model_dir, "mlx-whisper", full=True)
        prepare_process(settings.blas_threads)
        # Imports mlx, so not before the BLAS is chosen.
        from reference_stack.speech.recogniser import Recogniser  # noqa: PLC0415

        return Recogniser(folder).hear

    serve_parent(int(sys.argv[1]), prepare, settings.niceness)


if __name__ == "__main__":
    main()
