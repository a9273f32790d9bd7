"""`testbed hospital`: the synthetic hospital, as files or in a database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from architecture import InputError
from cli.common import (
    DEFAULT_STACK,
    JsonOption,
    SeedOption,
    StackOption,
    err,
    out,
    print_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(help="A synthetic Brazilian hospital: no person in it is real.",
                  no_args_is_help=True)  # fmt: skip

PatientsOption = Annotated[
    int, typer.Option("--patients", min=1, max=10_000_000, help="how many patients")
]
CliniciansOption = Annotated[
    int, typer.Option("--clinicians", min=0, max=9000, help="physicians and nurses")
]
FilesOption = Annotated[
    int,
    typer.Option("--files-of", min=0, max=230, help="inpatients with letters and images too"),
]
AsOfOption = Annotated[
    str,
    typer.Option("--as-of", help="the moment shown: 2025-01-01T12:00-03:00, or 'now'"),
]
DEFAULT_AS_OF = "2025-01-01T12:00-03:00"


@app.command()
def generate(
    out_folder: Annotated[Path, typer.Option("--out", help="folder: new, or of the same command")],
    patients: PatientsOption = 1000,
    clinicians: CliniciansOption = 200,
    files_of: FilesOption = 5,
    as_of: AsOfOption = DEFAULT_AS_OF,
    seed: SeedOption = 1,
    json: JsonOption = False,
) -> None:
    """Write patients, staff, stays, vital signs and notes as NDJSON, and files of some inpatients.

    The same seed gives the same bytes. Example: `testbed hospital generate --patients 1000 --out
    hospital`
    """
    from reference_stack.hospital.export import Export, export_hospital

    wanted = Export(seed, patients, clinicians, files_of, parse_as_of(as_of))
    try:
        is_new = export_hospital(wanted, out_folder, _progress("patients"))
    except OSError as error:
        raise InputError(
            str(error), where="--out", allowed="a folder that can be written"
        ) from None
    if json:
        print_json({"folder": str(out_folder), "new": is_new, **wanted.document()})
    elif is_new:
        out.print(f"{patients} patients of hospital {seed} are in {out_folder}", soft_wrap=True)
    else:
        out.print(f"{out_folder} holds this hospital already, whole", soft_wrap=True)


@app.command()
def load(
    patients: PatientsOption = 1000,
    clinicians: CliniciansOption = 200,
    files_of: FilesOption = 0,
    records: Annotated[
        bool, typer.Option("--records/--no-records", help="also notes and vital signs")
    ] = True,
    as_of: AsOfOption = "now",
    seed: SeedOption = 1,
    directory: StackOption = DEFAULT_STACK,
    database_url: Annotated[
        str | None,
        typer.Option("--database-url", help="another database than the stack's: postgresql://…"),
    ] = None,
    secret_file: Annotated[
        Path | None, typer.Option("--secret-file", help="passwords' secret, with --database-url")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Load the hospital into the stack's database; loading again adds what is missing.

    The stack came up with the first patients of seed 1. Example: `testbed hospital load --patients
    100000`
    """
    import psycopg

    from reference_stack.errors import StackError
    from reference_stack.handle import StackHandle
    from reference_stack.hospital.seed import read_secret, seed_hospital
    from reference_stack.hospital.upload import upload_documents

    moment = parse_as_of(as_of)
    handle: StackHandle | None = None
    if database_url is None:
        handle = StackHandle.attach(directory.absolute())
        url, secret = handle.database_dsn(), handle.secret("clinicians")
    else:
        if secret_file is None:
            raise InputError(
                "missing", where="--secret-file", allowed="a file, needed with --database-url"
            )
        try:
            url, secret = database_url, read_secret(secret_file)
        except (OSError, ValueError) as error:
            raise InputError(str(error), where="--secret-file", allowed="a text file") from None
    if files_of and handle is None:
        raise InputError(
            "documents go through the API", where="--files-of", allowed="0 with --database-url"
        )
    try:
        summary = seed_hospital(
            url, secret=secret, patients=patients, clinicians=clinicians, seed=seed,
            support_staff=True, records=records, as_of=moment, progress=_progress("patients"),
        )  # fmt: skip
    except psycopg.Error as error:
        reason = str(error).strip().replace("\n", "; ")
        raise StackError(f"the database did not take the hospital: {reason}") from error
    documents = 0
    if files_of and handle is not None:
        with handle.http_client(handle.api_url) as client:
            documents = upload_documents(
                client, secret, seed=seed, patients=patients, stays=files_of, as_of=moment,
                progress=_progress("documents"),
            )  # fmt: skip
    if json:
        print_json({**vars(summary), "new_documents": documents, "seed": seed})
        return
    out.print(
        f"hospital {seed}: new are {summary.new_patients} patients, {summary.new_clinicians} "
        f"accounts, {summary.new_notes} notes, {summary.new_observations} observations, "
        f"{documents} documents",
        soft_wrap=True,
    )


def parse_as_of(text: str) -> datetime:
    """A moment with its offset, or 'now'; raises `InputError`."""
    if text == "now":
        return datetime.now(UTC).replace(microsecond=0)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InputError(
            f"got '{text}'", where="--as-of", allowed="'now', or 2025-01-01T12:00-03:00"
        )
    return moment.astimezone(UTC)


def _progress(what: str) -> Callable[[int, int], None]:
    """Tells on standard error each tenth of the way."""
    told = -1

    def tell(done: int, total: int) -> None:
        nonlocal told
        tenth = 10 * done // max(1, total)
        if tenth != told:
            told = tenth
            err.print(f"{done} of {total} {what}", highlight=False)

    return tell
