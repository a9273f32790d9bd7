"""How a process of the stack reaches the bucket, without ever asking anyone on the internet."""

from __future__ import annotations

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from reference_stack.addresses import Endpoint

DOCUMENTS = "documents"
BACKUPS = "backups"
#: Present from the first start of the bucket's site.
BUCKETS = (DOCUMENTS, BACKUPS)
PROJECT = "prontuario"


def bucket_client(endpoint: Endpoint) -> storage.Client:
    """Google's client for the emulator at ``endpoint``; nothing is contacted yet.

    Anonymous credentials and a given project leave the library nothing to ask Google's metadata
    server for.
    """
    return storage.Client(
        project=PROJECT,
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": endpoint.url},
    )


def client_environment(endpoint: Endpoint) -> dict[str, str]:
    """What a program that makes its own ``google.cloud.storage.Client()`` needs (barman-cloud).

    ``STORAGE_EMULATOR_HOST`` makes the library take anonymous credentials and send every request
    there; a project must be named too, or the library asks the metadata server for one.
    """
    return {
        "STORAGE_EMULATOR_HOST": endpoint.url,
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "NO_GCE_CHECK": "true",
        "GOOGLE_API_USE_CLIENT_CERTIFICATE": "false",
    }
