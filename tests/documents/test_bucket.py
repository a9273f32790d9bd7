"""The bucket's emulator, driven by Google's own client, never talks to anyone but itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.api_core.exceptions import PreconditionFailed
from google.cloud import storage

from architecture import load_design
from architecture.design import Design
from reference_stack.addresses import AddressPlan
from reference_stack.bucket.client import BACKUPS, DOCUMENTS, bucket_client, client_environment
from reference_stack.bucket.health import problems
from reference_stack.bucket.render import bucket_services
from tests.documents.places import Running, contexts, reserved_plan, services
from tests.waiting import wait_for

pytestmark = pytest.mark.servers

MEGABYTE = 1 << 20
SITES = ("gcp",)


@dataclass(frozen=True)
class Bucket:
    design: Design
    addresses: AddressPlan
    process: Running

    @property
    def client(self) -> storage.Client:
        return bucket_client(self.addresses.endpoint("gcp", "bucket"))


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    design = load_design("local")
    directory = tmp_path_factory.mktemp("bucket")
    with reserved_plan(tuple(design.sites)) as addresses:
        context = contexts(design, addresses, directory, SITES)["gcp"]
        with services(bucket_services(context)) as running:
            made = Bucket(design, addresses, running["bucket"])
            wait_for(lambda: not problems(design, addresses), "the bucket")
            yield made


def test_both_buckets_are_there_from_the_start(bucket: Bucket) -> None:
    assert {found.name for found in bucket.client.list_buckets()} == {DOCUMENTS, BACKUPS}
    assert problems(bucket.design, bucket.addresses) == []


@pytest.mark.parametrize("size_bytes", [1000, 9 * MEGABYTE], ids=["multipart", "steps"])
def test_what_is_uploaded_comes_back_with_its_type_and_checksum(
    size_bytes: int, bucket: Bucket
) -> None:
    content = os.urandom(size_bytes)
    blob = bucket.client.bucket(DOCUMENTS).blob(f"sizes/{size_bytes}", chunk_size=MEGABYTE)
    blob.upload_from_string(content, content_type="application/pdf", checksum="crc32c")
    assert blob.download_as_bytes() == content
    blob.reload()
    assert (blob.size, blob.content_type) == (size_bytes, "application/pdf")


def test_a_second_upload_that_demands_to_be_the_first_is_refused(bucket: Bucket) -> None:
    objects = bucket.client.bucket(BACKUPS)
    objects.blob("once").upload_from_string(b"first", if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        objects.blob("once").upload_from_string(b"second", if_generation_match=0)
    assert objects.blob("once").download_as_bytes() == b"first"


def test_listing_goes_by_prefix_and_a_range_can_be_read(bucket: Bucket) -> None:
    objects = bucket.client.bucket(BACKUPS)
    for name in ("wal/1", "wal/2", "base/1"):
        objects.blob(name).upload_from_string(f"content of {name}")
    assert [b.name for b in bucket.client.list_blobs(BACKUPS, prefix="wal/")] == ["wal/1", "wal/2"]
    assert objects.blob("base/1").download_as_bytes(start=8, end=9) == b"of"


def test_objects_survive_a_kill_of_the_emulator(bucket: Bucket) -> None:
    blob = bucket.client.bucket(DOCUMENTS).blob("kept")
    blob.upload_from_string(b"kept", content_type="text/plain")
    bucket.process.kill()
    assert any("does not answer" in p for p in problems(bucket.design, bucket.addresses))
    bucket.process.start()
    wait_for(lambda: not problems(bucket.design, bucket.addresses), "the bucket")
    again = bucket.client.bucket(DOCUMENTS).get_blob("kept")
    assert again is not None
    assert (again.download_as_bytes(), again.content_type) == (b"kept", "text/plain")


WATCHED = """
import sys
hosts = set()
def watch(event, arguments):
    if event == "socket.getaddrinfo":
        hosts.add(str(arguments[0]))
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        hosts.add(str(arguments[1][0]))
sys.addaudithook(watch)
from google.cloud import storage
client = storage.Client()
client.bucket("backups").blob("by-environment").upload_from_string(b"x")
assert client.bucket("backups").blob("by-environment").download_as_bytes() == b"x"
print(" ".join(sorted(hosts)))
"""


def test_a_program_with_its_own_client_reaches_the_emulator_and_nobody_else(
    bucket: Bucket, tmp_path: Path
) -> None:
    endpoint = bucket.addresses.endpoint("gcp", "bucket")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    answer = subprocess.run(
        [sys.executable, "-c", WATCHED],
        env={**environment, **client_environment(endpoint)},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split() == [endpoint.host]
