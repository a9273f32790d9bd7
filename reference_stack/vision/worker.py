"""The worker process of faces and images: python -m reference_stack.vision.worker FD SETTINGS."""

from __future__ import annotations

import logging
import resource
import sys
import warnings
from collections.abc import Callable

from reference_stack.models import check_model_folder
from reference_stack.serving.child import RefusedError, serve_parent
from reference_stack.vision.settings import VisionSettings
from reference_stack.vision.tasks import FaceFound, FaceTask, ImageMeasures, ImageTask


def main() -> None:
    """Serve the parent that holds the other end of the socket."""
    # What readers of images complain of quotes the file, and so may name the patient in a log.
    warnings.simplefilter("ignore")
    logging.getLogger("pydicom").disabled = True
    settings = VisionSettings.model_validate_json(sys.argv[2])
    serve_parent(int(sys.argv[1]), lambda: _worker(settings), settings.niceness)


def _worker(
    settings: VisionSettings,
) -> Callable[[FaceTask | ImageTask], FaceFound | ImageMeasures]:
    find = _finder(settings)

    resource.setrlimit(resource.RLIMIT_DATA, (settings.max_memory_bytes, resource.RLIM_INFINITY))

    def work(task: FaceTask | ImageTask) -> FaceFound | ImageMeasures:
        try:
            if isinstance(task, FaceTask):
                return find(task)
            # 100 MB and a second, which a site that only knows faces never needs.
            from reference_stack.vision.images import measure  # noqa: PLC0415

            return measure(task, settings.max_pixels)
        except MemoryError as error:
            raise RefusedError("the image needs more memory than is allowed") from error

    return work


def _finder(settings: VisionSettings) -> Callable[[FaceTask], FaceFound]:
    faces = settings.faces
    if faces is None:

        def refuse(_task: FaceTask) -> FaceFound:
            raise RefusedError("this site knows no faces")

        return refuse
    from reference_stack.vision.faces import FaceReader  # noqa: PLC0415 - dlib

    folder = check_model_folder(faces.model_dir, "files", full=True)
    reader = FaceReader(folder, faces.max_side_px, settings.max_pixels)
    return lambda task: reader.find(task.content)


if __name__ == "__main__":
    main()
