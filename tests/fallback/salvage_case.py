"""Two servers that were one, then went apart: run as an ordinary user, prints what salvage did."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

from reference_stack.fallback.control_data import control_data
from reference_stack.fallback.salvage import salvage
from reference_stack.fallback.standalone import opened

SCHEMA = """
CREATE TABLE patient (id int PRIMARY KEY, name text NOT NULL, folded text
    GENERATED ALWAYS AS (lower(name)) STORED);
CREATE TABLE note (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), client_id int UNIQUE NOT NULL,
    patient_id int NOT NULL REFERENCES patient, text text NOT NULL);
CREATE TABLE attachment (note_id uuid REFERENCES note, page int, PRIMARY KEY (note_id, page));
INSERT INTO patient (id, name) VALUES (1, 'Ana'), (2, 'Bia'), (3, 'Caio');
INSERT INTO note (client_id, patient_id, text) SELECT n, 1, 'old' FROM generate_series(1, 50) n;
"""
ONLY_OLD = """
INSERT INTO patient (id, name) VALUES (4, 'Davi');
INSERT INTO note (id, client_id, patient_id, text) VALUES
    ('00000000-0000-0000-0000-000000000101', 101, 4, 'only the old server has me'),
    ('00000000-0000-0000-0000-000000000102', 102, 1, 'sent twice'),
    ('00000000-0000-0000-0000-000000000103', 103, 2, 'my patient is gone there');
INSERT INTO attachment VALUES ('00000000-0000-0000-0000-000000000101', 1);
UPDATE patient SET name = 'Caio Old' WHERE id = 3;
"""
ONLY_NEW = """
INSERT INTO note (client_id, patient_id, text) VALUES (102, 1, 'sent twice'), (200, 1, 'new');
DELETE FROM patient WHERE id = 2;
UPDATE patient SET name = 'Caio New' WHERE id = 3;
UPDATE patient SET name = 'Ana New' WHERE id = 1;
"""


def main() -> None:
    folder, programs = Path(sys.argv[1]), Path(sys.argv[2])
    old, new, sockets = folder / "old", folder / "new", Path(sys.argv[3])
    control = [str(programs / "pg_ctl"), "--silent", "--wait"]

    def run(*words: object) -> None:
        subprocess.run([*map(str, words)], check=True, stdout=subprocess.DEVNULL)

    def start(data: Path, port: int) -> None:
        options = f"-c listen_addresses= -c unix_socket_directories={sockets} -p {port}"
        run(*control, "-D", data, "-l", data.with_suffix(".log"), "-o", options, "start")

    def connect(port: int, name: str = "prontuario") -> psycopg.Connection[Any]:
        where = f"host={sockets} port={port} user=postgres dbname={name}"
        return psycopg.connect(where, autocommit=True)

    run(programs / "initdb", "-D", old, "-U", "postgres", "--no-sync", "-A", "trust")
    start(old, 5501)
    with connect(5501, "postgres") as connection:
        connection.execute("CREATE DATABASE prontuario")
    with connect(5501) as connection:
        connection.execute(SCHEMA)
    run(*control, "-D", old, "stop")
    shutil.copytree(old, new)
    start(old, 5501)
    start(new, 5502)
    try:
        with connect(5502) as connection:
            row = connection.execute(
                "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
            ).fetchone()
            mark = None if sys.argv[4] == "none" else int(row[0] if row else 0)
            connection.execute(ONLY_NEW)
        with connect(5501) as connection:
            connection.execute(ONLY_OLD)
        run(*control, "-D", old, "-m", "immediate", "stop")
        rounds = []
        for _ in range(2):
            with (
                opened(folder, old, programs, folder / "salvage.log") as where,
                psycopg.connect(f"{where} dbname=prontuario", autocommit=True) as source,
                connect(5502) as target,
            ):
                done = salvage(source, target, epoch=1, site="mac-1", since_xid=mark)
                rounds.append({name: table.model_dump() for name, table in done.items()})
        with connect(5502) as connection:
            notes = connection.execute("SELECT client_id, text FROM note WHERE client_id > 100")
            held = sorted(notes.fetchall())
            conflicts = connection.execute(
                "SELECT table_name, found, kept, reason FROM fallback.salvage_conflict "
                "ORDER BY table_name, found::text"
            ).fetchall()
            names = dict(connection.execute("SELECT id, name FROM patient").fetchall())
        control_file = control_data(old, programs)
    finally:
        run(*control, "-D", new, "-m", "immediate", "stop")
    json.dump(
        {"rounds": rounds, "held": held, "conflicts": conflicts, "names": names,
         "timeline": control_file["Latest checkpoint's TimeLineID"],
         "state": control_file["Database cluster state"]},
        sys.stdout,
    )  # fmt: skip


if __name__ == "__main__":
    main()
