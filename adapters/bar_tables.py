"""Files of bars as tables: CSV text and Parquet, with the place of every row in its file.

Nothing is judged here but form. Values stay as the file has them (text, in a CSV), so that a complaint can
quote them, and every row keeps its line number, so that a person can find it: a CSV's header is line 1, and a
Parquet file's rows count from 1.
"""

import csv
import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ..engine.errors import DataError
from ..engine.market import BoolArray, FloatArray, IntArray
from ..engine.validation import FIELDS

TIME_NAMES = ("timestamp_utc", "timestamp", "datetime", "time", "date")
_SYMBOL_NAMES = ("symbol", "ticker")
_METADATA_PREFIX = "fluxhero."
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_MISSING_TEXTS = frozenset(("", "nan", "na", "n/a", "null", "none", "-", "."))
_NUMBER_CHARS = frozenset("0123456789+-.eE")


class Malformed(NamedTuple):
    """A line that has another number of fields than the header."""

    line: int
    n_fields: int
    text: str


class BarTable(NamedTuple):
    """One file's rows, one array per column, each of n_rows entries."""

    path: Path
    unit: str  # what the numbers in `lines` count: "line" or "row"
    lines: IntArray
    columns: dict[
        str, Any
    ]  # "time", "open", ..., as pyarrow arrays of the file's own types; "volume" may lack
    time_name: str  # what the file calls its time
    n_fields: int
    symbol: Any | None  # pyarrow array of text, where the file has a column of symbols
    ignored: tuple[str, ...]  # columns that we do not use
    malformed: tuple[Malformed, ...]
    n_blank: int
    metadata: dict[str, str]  # what the file declares: stamp, symbol, timeframe, asset_class, ...


class NotBarsError(DataError):
    """A readable file without the columns of bars: quotes, trades or something else."""


def read_table(path: Path) -> BarTable:
    """Read a CSV or Parquet file of bars.

    Raises
    ------
    DataError
        If the file cannot be read as what it claims to be: empty, truncated, not UTF-8, not a table.
    NotBarsError
        If it can be read but lacks a time, open, high, low or close.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not data:
        raise DataError(f"{path}: the file is empty")
    if data[:4] == b"PAR1" or path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path, data)
    return _read_csv(path, data)


def to_numbers(values: Any) -> tuple[FloatArray, BoolArray]:
    """A column as float64, and which entries are text that is no number (they become NaN).

    Missing entries (nothing, "nan", "null", ...) are NaN and not counted as bad text.
    """
    if not _is_text(values.type):
        floats = pc.cast(values, pa.float64(), safe=False)
        return _to_numpy(floats), np.zeros(len(values), np.bool_)
    try:
        return _to_numpy(pc.cast(values, pa.float64())), np.zeros(len(values), np.bool_)
    except pa.ArrowInvalid:
        pass  # somewhere is text; find out where, one by one
    numbers = np.full(len(values), np.nan)
    is_bad = np.zeros(len(values), np.bool_)
    for row, text in enumerate(values.to_pylist()):
        stripped = "" if text is None else text.strip()
        if stripped.lower() in _MISSING_TEXTS:
            continue
        number = _number(stripped)
        is_bad[row] = number is None
        numbers[row] = np.nan if number is None else number
    return numbers, is_bad


def text_at(values: Any, row: int) -> str:
    """What a column holds at a row, as the file has it."""
    try:
        value = values[row].as_py()
    except (OverflowError, ValueError):  # a time that Python has no year for
        value = values[row].value
    return "" if value is None else str(value)


def _number(text: str) -> float | None:
    """A plain decimal number; Python's underscores and other scripts' digits are not plain."""
    if text.lower().lstrip("+-") in ("inf", "infinity"):
        return float(text)
    if not set(text) <= _NUMBER_CHARS:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _to_numpy(floats: Any) -> FloatArray:
    if isinstance(floats, pa.ChunkedArray):
        floats = floats.combine_chunks()
    filled = pc.fill_null(floats, float("nan"))
    array: FloatArray = np.array(filled.to_numpy(zero_copy_only=False), dtype=np.float64)
    return array


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _read_csv(path: Path, data: bytes) -> BarTable:
    data = _decoded(path, data)
    if not data.endswith((b"\n", b"\r")):
        data += b"\n"  # pyarrow cannot skip a header that no line end follows
    head, delimiter, names, skip = _header(path, data)
    roles, ignored = _roles(path, names, head)
    wanted = sorted(set(roles.values()))
    if b'"' in data:
        texts, lines, malformed = _rows_quoted(path, data, delimiter, len(names), wanted, skip)
    else:
        texts, lines, malformed = _rows_plain(path, data, delimiter, len(names), wanted, skip)
    columns = {role: texts[position] for role, position in roles.items()}
    is_blank = np.ones(lines.size, np.bool_)
    for values in columns.values():
        is_blank &= np.asarray(pc.equal(values, ""))
    n_blank = int(is_blank.sum())
    if n_blank:
        keep = pa.array(~is_blank)
        columns = {role: values.filter(keep) for role, values in columns.items()}
        lines = lines[~is_blank]
    if lines.size == 0 and not malformed:
        raise DataError(f"{path}: the file has a header but no rows")
    symbol = columns.pop("symbol", None)
    time_name = names[roles["time"]]
    return BarTable(
        path, "line", lines, columns, time_name, len(names), symbol, ignored, tuple(malformed), n_blank, {}
    )


def _decoded(path: Path, data: bytes) -> bytes:
    """The text without its byte order mark, refused where it is not UTF-8."""
    for mark, name in _BOMS.items():
        if data.startswith(mark):
            raise DataError(f"{path}: the text is {name}; save it as UTF-8")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\x00" in data:
        raise DataError(
            f"{path}: the file holds zero bytes, so it is no CSV; a Parquet file begins with PAR1"
        )
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: line {line} holds byte 0x{data[error.start]:02x}, not UTF-8; save the file as UTF-8"
        ) from None
    return data


def _header(path: Path, data: bytes) -> tuple[str, str, list[str], int]:
    """The header's text, the delimiter, the column names, and the number of lines to skip to the rows."""
    lines = io.StringIO(data[:65_536].decode("utf-8", errors="ignore"), newline="")
    head, skip = "", 0
    for text in lines:
        skip += 1
        head = text.strip()
        if head:
            break
    if not head:
        raise DataError(f"{path}: the file holds nothing but empty lines")
    delimiter = max(",;\t|", key=head.count)
    names = [name.strip() for name in next(csv.reader([head], delimiter=delimiter))]
    if all(_number(name) is not None for name in names if name):
        raise DataError(
            f"{path}: line {skip} holds numbers ({head[:60]!r}); the first line must name the columns"
        )
    return head, delimiter, names, skip


def _rows_plain(
    path: Path, data: bytes, delimiter: str, n_fields: int, wanted: list[int], skip: int
) -> tuple[dict[int, Any], IntArray, list[Malformed]]:
    """Rows of a CSV without quotes, where a line of the file is a row of the table."""
    malformed: list[Malformed] = []

    def note(row: Any) -> str:
        if row.text.strip():
            malformed.append(Malformed(row.number, row.actual_columns, row.text[:80]))
        skipped.append(row.number)
        return "skip"

    skipped: list[int] = []
    names = [str(position) for position in range(n_fields)]
    used = [names[position] for position in wanted]

    try:
        table = pa_csv.read_csv(
            pa.BufferReader(data),
            # One thread: only then does pyarrow say which line it could not split.
            read_options=pa_csv.ReadOptions(
                use_threads=False, column_names=names, skip_rows=skip, block_size=1 << 24
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter, quote_char=False, ignore_empty_lines=False, invalid_row_handler=note
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types={name: pa.string() for name in used},
                include_columns=used,
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not a table of text: {error}") from None
    lines = np.arange(skip + 1, skip + 1 + table.num_rows + len(skipped), dtype=np.int64)
    lines = np.delete(lines, np.array(skipped, np.int64) - skip - 1)
    texts = {position: table.column(str(position)).combine_chunks() for position in wanted}
    return texts, lines, malformed


def _rows_quoted(
    path: Path, data: bytes, delimiter: str, n_fields: int, wanted: list[int], skip: int
) -> tuple[dict[int, Any], IntArray, list[Malformed]]:
    """Rows of a CSV with quotes, in which a field may hold delimiters and even line ends."""
    reader = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    malformed: list[Malformed] = []
    first = 0
    try:
        while True:
            first = reader.line_num + 1
            row = next(reader)
            if first <= skip or not row:
                continue
            if len(row) == n_fields:
                rows.append(row)
                lines.append(first)
            else:
                malformed.append(Malformed(first, len(row), delimiter.join(row)[:80]))
    except StopIteration:
        pass
    except csv.Error as error:
        raise DataError(f"{path}: line {first} cannot be split into fields: {error}") from None
    texts = {position: pa.array([row[position] for row in rows], pa.string()) for position in wanted}
    return texts, np.array(lines, np.int64), malformed


def _read_parquet(path: Path, data: bytes) -> BarTable:
    if data[:4] != b"PAR1":
        raise DataError(f"{path}: not a Parquet file (it begins with {data[:4]!r} instead of b'PAR1')")
    if data[-4:] != b"PAR1" or len(data) < 12:
        raise DataError(f"{path}: the Parquet file is cut off: its last bytes are not PAR1")
    try:
        with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
            schema = file.schema_arrow
            roles, ignored = _roles(path, list(schema.names), ", ".join(schema.names), schema=schema)
            used = [schema.names[position] for position in sorted(set(roles.values()))]
            table = file.read(columns=used)
            table.validate(full=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the Parquet file cannot be read: {str(error)[:200]}") from None
    if table.num_rows == 0:
        raise DataError(f"{path}: the file has no rows")
    columns = {
        role: table.column(schema.names[position]).combine_chunks() for role, position in roles.items()
    }
    for role in FIELDS:
        if role in columns and not _is_number_like(columns[role].type):
            kind = columns[role].type
            raise DataError(f"{path}: column {schema.names[roles[role]]!r} holds {kind}, must be numbers")
    metadata = {
        key.decode(errors="replace").removeprefix(_METADATA_PREFIX): value.decode(errors="replace")
        for key, value in (schema.metadata or {}).items()
        if key.startswith(_METADATA_PREFIX.encode())
    }
    lines = np.arange(1, table.num_rows + 1, dtype=np.int64)
    symbol = columns.pop("symbol", None)
    if symbol is not None:
        symbol = pc.cast(symbol, pa.string())
    time_name = schema.names[roles["time"]]
    return BarTable(
        path, "row", lines, columns, time_name, len(schema.names), symbol, ignored, (), 0, metadata
    )


def _is_number_like(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or _is_text(kind))


def _roles(
    path: Path, names: list[str], shown: str, schema: Any | None = None
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Which column plays which part, by name; and the names of those that play none."""
    plain = [name.strip().lower().replace(" ", "_") for name in names]
    roles: dict[str, int] = {}
    for time_name in TIME_NAMES:
        if time_name in plain:
            roles["time"] = plain.index(time_name)
            break
    else:
        if schema is not None and "__index_level_0__" in plain:  # pandas wrote its index of times
            roles["time"] = plain.index("__index_level_0__")
    for part, part_names in (*((name, (name,)) for name in FIELDS), ("symbol", _SYMBOL_NAMES)):
        found = [position for position, name in enumerate(plain) if name in part_names]
        if len(found) > 1:
            raise DataError(f"{path}: {len(found)} columns are called {names[found[0]]!r}; one is needed")
        if found:
            roles[part] = found[0]
    missing = [name for name in ("time", *FIELDS[:4]) if name not in roles]
    if missing:
        known = f"; a time column is called {', '.join(TIME_NAMES)}" if "time" in missing else ""
        raise NotBarsError(f"{path}: no column for {', '.join(missing)} among {shown[:200]!r}{known}")
    return roles, tuple(name for position, name in enumerate(names) if position not in roles.values())
