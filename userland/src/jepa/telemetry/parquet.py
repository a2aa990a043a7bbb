# SPDX-License-Identifier: Apache-2.0
"""Parquet files in and out, by DuckDB, which is a third of pyarrow's size and is loaded only when needed."""

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from jepa.errors import JepaError

if TYPE_CHECKING:
    import duckdb


def write_columns(path: Path, columns: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays of equal length as one file; NaN becomes null. Raises OSError."""
    chosen = ", ".join(
        f"CASE WHEN isnan({_name(name)}) THEN NULL ELSE {_name(name)} END AS {_name(name)}"
        if column.dtype.kind == "f"
        else _name(name)
        for name, column in columns.items()
    )
    with _database() as database:
        # DuckDB reads each array in place, and wants it in one piece.
        database.register("given", {name: np.ascontiguousarray(column) for name, column in columns.items()})
        _copy(database, f"SELECT {chosen} FROM given", path)


def write_rows(path: Path, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
    """Write rows with columns of the given SQL types as one file. Raises OSError."""
    with _database() as database:
        declared = ", ".join(f"{_name(name)} {kind}" for name, kind in columns.items())
        database.execute(f"CREATE TABLE given ({declared})")
        if rows:
            places = ", ".join("?" for _ in columns)
            database.executemany(f"INSERT INTO given VALUES ({places})", rows)
        _copy(database, "SELECT * FROM given", path)


def shape(path: Path) -> tuple[int, int]:
    """Rows and columns of one file, of which no value is read. JepaError when it is not Parquet.

    However small a file, what it holds may be large: a column of zeros takes a few bytes.
    """
    rows = "SELECT sum(num_rows) FROM parquet_file_metadata($file)"
    columns = "SELECT count(*) FROM parquet_schema($file) WHERE num_children IS NULL OR num_children = 0"
    with _opened(path, f"SELECT ({rows}), ({columns})") as found:
        ((high, wide),) = found.fetchall()
        return int(high), int(wide)


def read(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The columns of one file; those with nulls are masked arrays. JepaError when it is not Parquet."""
    with _opened(path, "SELECT * FROM read_parquet($file)") as found:
        return dict(found.fetchnumpy())


def read_rows(path: Path, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """The rows of one file, with the columns in the order asked for. JepaError when it has not got them."""
    chosen = ", ".join(_name(name) for name in columns)
    with _opened(path, f"SELECT {chosen} FROM read_parquet($file)") as found:
        return found.fetchall()


@contextmanager
def _opened(path: Path, query: str) -> "Iterator[duckdb.DuckDBPyConnection]":
    """What ``query`` answers, whose $file is the file at ``path``."""
    import duckdb

    # DuckDB takes a name for a pattern ("run[1]", "run*"), a home directory ("~"), a place on the network
    # ("s3:") or columns ("day=1"). A descriptor is one file, whatever its name.
    try:
        with _reading(os.getpid()).cursor() as database, path.open("rb") as file:
            yield database.execute(query, {"file": f"/proc/self/fd/{file.fileno()}"})
    except (duckdb.Error, OSError) as error:
        reason = str(error).splitlines()[0]
        raise JepaError(
            f"{path} cannot be read: {reason}.", "Copy the recording again, or record anew."
        ) from error


def _database() -> "duckdb.DuckDBPyConnection":
    import duckdb

    # One thread keeps the rows in order and leaves the other cores to the machine's own work.
    return duckdb.connect(config={"threads": 1})


@functools.cache
def _reading(process: int) -> "duckdb.DuckDBPyConnection":
    """The empty database by which ``process``, this one, reads files: to make one takes longer than to read
    one, and a child has to make its own.
    """
    database = _database()
    # Descriptors, by which files are named here, are given out again: what one held may not be remembered.
    database.execute("SET enable_external_file_cache = false")
    return database


def _copy(database: "duckdb.DuckDBPyConnection", query: str, path: Path) -> None:
    import duckdb

    temporary = path.with_name(path.name + ".tmp")
    target = str(temporary.absolute()).replace("'", "''")
    try:
        database.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    except duckdb.IOException as error:
        temporary.unlink(missing_ok=True)
        raise OSError(str(error)) from error
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
