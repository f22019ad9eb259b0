"""Small files that expand: archives, texts, workbooks, Parquet and Arrow files that take far more than their size."""

import bz2
import gzip
import io
import json
import lzma
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import feather
from pyarrow import parquet as pq

HEADER = b"timestamp,open,high,low,close,volume\n"
ROW = b"2024-01-01T00:00:00Z,10,12,9,11,1.5\n"
NAMES = ("timestamp", "open", "high", "low", "close", "volume")
_MIB = 1 << 20


class Bomb(NamedTuple):
    """A file.

    Attributes:
        family: How it expands.
        name: A name with the suffix of its format.
        content: Its bytes.
    """

    family: str
    name: str
    content: bytes


def bombs(seed: int, count: int) -> Iterator[Bomb]:
    """Yield bombs, one of each family in turn."""
    families = list(FAMILIES)
    for number in range(count):
        yield bomb_of(families[number % len(families)], f"{seed} {number}")


def bomb_of(family: str, seed: str) -> Bomb:
    """Return a bomb of a family."""
    return Bomb(family, *FAMILIES[family](random.Random(seed)))  # noqa: S311 -- repeatable


@cache
def _member(number: int) -> bytes:
    """Return 64 MiB of a repeated block as a gzip member; a file may have any number of members."""
    block = (bytes(_MIB), ROW * (_MIB // len(ROW)), b"1," * (_MIB // 2), b"\n" * _MIB)[number]
    return gzip.compress(block * 64, 1)


def _gzip(rng: random.Random) -> tuple[str, bytes]:
    name = f"a.{rng.choice(['csv', 'json', 'parquet', 'xlsx'])}.gz"
    return name, gzip.compress(HEADER) + _member(rng.randrange(4)) * rng.randint(4, 64)


def _nested_gzip(rng: random.Random) -> tuple[str, bytes]:
    return "a.csv.gz", gzip.compress(_gzip(rng)[1])


@cache
def _packed(method: str) -> bytes:
    return {"bz2": bz2.compress, "xz": lzma.compress}[method](bytes(32 * _MIB))


def _other_compression(rng: random.Random) -> tuple[str, bytes]:
    """Return a file in a format that is not supported, or with its suffix changed."""
    method = rng.choice(["bz2", "xz"])
    return f"a.csv{rng.choice([f'.{method}', ''])}", _packed(method)


@cache
def _archive(method: int, size_mib: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method, compresslevel=1) as archive, archive.open("a.csv", "w") as file:
        for _ in range(size_mib):
            file.write(bytes(_MIB))
    return content.getvalue()


def _zip(rng: random.Random) -> tuple[str, bytes]:
    method, size_mib = rng.choice([(zipfile.ZIP_DEFLATED, 1000), (zipfile.ZIP_BZIP2, 150), (zipfile.ZIP_LZMA, 64)])
    return "a.zip", _archive(method, size_mib)


def _lying_zip(rng: random.Random) -> tuple[str, bytes]:
    """Return an archive whose directory declares another size."""
    data = bytearray(_archive(zipfile.ZIP_DEFLATED, 1000))
    lie = struct.pack("<I", rng.choice([10, 0, 0xFFFFFFFE, 1 << 28]))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = lie
    data[22:26] = lie
    return "a.zip", bytes(data)


def _many_entries(rng: random.Random) -> tuple[str, bytes]:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number in range(rng.choice([2_000, 2_000, 100_000])):
            archive.writestr(f"{'../' * rng.randint(0, 3)}{number}.csv", b"")
    return rng.choice(["a.zip", "a.xlsx"]), content.getvalue()


def _overlapping_zip(rng: random.Random) -> tuple[str, bytes]:
    """Return an archive in which every entry has the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(100 * _MIB))
        first = archive.infolist()[0]
        for number in range(rng.randint(100, 900)):
            entry = zipfile.ZipInfo(rng.choice([f"{number}.csv", f"xl/worksheets/{number}.xml"]))
            for name in ("CRC", "compress_size", "file_size", "compress_type", "header_offset"):
                setattr(entry, name, getattr(first, name))
            archive.filelist.append(entry)
    return rng.choice(["a.zip", "a.xlsx"]), content.getvalue()


def _odd_zip(rng: random.Random) -> tuple[str, bytes]:
    """Return an archive in an archive, or one with a misleading name."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        inner = rng.choice(["a.zip", "../../etc/a.csv", "/dev/zero.csv", "a.csv.gz", "a.csv/", "con.csv", "a\x01.csv"])
        archive.writestr(inner, _gzip(rng)[1])
    return "a.zip", content.getvalue()


def _csv(rng: random.Random) -> tuple[str, bytes]:
    size = rng.randint(8, 48) * _MIB
    shapes: list[Callable[[], bytes]] = [
        lambda: b"x" * size,  # a line without an end
        lambda: HEADER + b"1" * size,
        lambda: HEADER + b'"' + b"a\n" * (size // 2),  # a quoted field without an end
        lambda: HEADER + b'2024-01-01T00:00:00Z,"' + b"9" * size + b'",1,1,1,1\n',
        lambda: b",".join(b"c%d" % n for n in range(1_000_000)) + b"\n" + b"1," * 999_999 + b"1\n",
        lambda: HEADER + b"," * size,
        lambda: bytes(size),
        lambda: HEADER + b"\0\n" * (size // 2),
        lambda: HEADER + ROW + b"\n" * size,
        lambda: HEADER + b"\r" * size,
        lambda: b"#\n" * (size // 2) + HEADER + ROW,
        lambda: b"\xff\xfe" + b"\n\0" * (size // 2),
        lambda: HEADER + b'"' * size,
        lambda: HEADER + ROW * (size // len(ROW)),
        lambda: HEADER + b"1,2\n" * (size // 4),
        lambda: HEADER + ROW.replace(b"10", b"1" * 900_000) * (size // 900_000),
    ]
    return "a.csv", rng.choice(shapes)()


def _json(rng: random.Random) -> tuple[str, bytes]:
    size = rng.randint(4, 24) * _MIB
    shapes: list[Callable[[], bytes]] = [
        lambda: b"[" * size,
        lambda: b'{"data":' * (size // 8),
        lambda: b"[" + b"[]," * (size // 3) + b"[]]",
        lambda: b"[" + b"{}," * (size // 3) + b"{}]",
        lambda: b"[[" + b"1," * (size // 2) + b"1]]",
        lambda: b'["' + b"\\u0000" * (size // 6) + b'"]',
        lambda: b"[" + b"1" * size + b"]",
        lambda: json.dumps([{f"c{n}": 1 for n in range(size // 16)}]).encode(),
        lambda: b'{"a":1}\n' * (size // 8),
        lambda: b"\n" * size,
    ]
    return "a.json", rng.choice(shapes)()


def _parquet(table: pa.Table, **options: object) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content, **options)
    return content.getvalue()


def _constant_parquet(rng: random.Random) -> tuple[str, bytes]:
    """Return millions of equal rows, a few bytes a column."""
    rows = rng.choice([1_700_000, 3_000_000, 10_000_000])
    columns = {name: np.zeros(rows, rng.choice([np.int8, np.float64])) for name in NAMES}
    return "a.parquet", _parquet(pa.table(columns), row_group_size=rows, compression=rng.choice(["zstd", "snappy"]))


def _valid_parquet(rng: random.Random) -> tuple[str, bytes]:
    """Return millions of valid candles at one price."""
    rows = rng.choice([1_700_000, 1_700_000, 4_000_000])
    times = np.arange(rows, dtype="int64") * 60_000_000_000 + 10**18
    table = pa.table(
        {"timestamp": pa.array(times - times[0] % (60 * 10**9), pa.timestamp("ns", "UTC"))}
        | {name: np.ones(rows) for name in NAMES[1:]}
    )
    encoding = {"timestamp": "DELTA_BINARY_PACKED"}
    return "a.parquet", _parquet(table, use_dictionary=list(NAMES[1:]), column_encoding=encoding, compression="zstd")


def _long_texts(rng: random.Random) -> tuple[str, bytes]:
    """Return rows that repeat one long text, which a dictionary holds once."""
    rows, text = rng.choice([1_000, 100_000, 1_500_000]), "9" * rng.choice([2_000, 100_000, 10 * _MIB])
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))
    columns = {name: texts if rng.random() < 0.5 else pa.array(np.ones(rows)) for name in NAMES}
    if rng.random() < 0.5:
        content = io.BytesIO()
        feather.write_feather(pa.table(columns | {"open": texts}), content, compression="zstd")
        return "a.feather", content.getvalue()
    return "a.parquet", _parquet(pa.table(columns | {"open": texts}), compression="zstd")


def _wide_table(rng: random.Random) -> tuple[str, bytes]:
    columns = {f"c{n}": [1] for n in range(rng.choice([1_500, 10_000, 30_000]))}
    table = pa.table(columns | {name: [1] for name in NAMES})
    if rng.random() < 0.5:
        content = io.BytesIO()
        feather.write_feather(table, content, compression="uncompressed")
        return "a.feather", content.getvalue()
    return "a.parquet", _parquet(table)


def _many_row_groups(rng: random.Random) -> tuple[str, bytes]:
    table = pa.table(dict.fromkeys(NAMES[:2], np.zeros(rng.choice([12_000, 20_000]))))
    return "a.parquet", _parquet(table, row_group_size=1)


def _nested(rng: random.Random) -> tuple[str, bytes]:
    kind = pa.float64()
    for _ in range(rng.choice([1, 5, 40])):
        kind = pa.list_(kind) if rng.random() < 0.5 else pa.struct([("x", kind)])
    nested = pa.array([None] * 1000, kind)
    table = pa.table({"timestamp": np.arange(1000)} | dict.fromkeys(NAMES[1:], nested))
    return "a.parquet", _parquet(table)


def _long_lists(_rng: random.Random) -> tuple[str, bytes]:
    """Return lists of millions of equal values in place of prices."""
    lists = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(20_000_000)), 2_000_000).cast(pa.list_(pa.float64()))
    return "a.parquet", _parquet(pa.table({"timestamp": np.arange(10)} | dict.fromkeys(NAMES[1:], lists)))


def _metadata(rng: random.Random) -> tuple[str, bytes]:
    """Return a table with megabytes of key-value metadata, or of statistics."""
    size = rng.choice([5, 30]) * _MIB
    table = pa.table({name: ["9" * size if rng.random() < 0.3 else "1"] for name in NAMES})
    if rng.random() < 0.5:
        table = table.replace_schema_metadata({"pandas": "[" * size})
    return "a.parquet", _parquet(table)


def _lying_footer(rng: random.Random) -> tuple[str, bytes]:
    """Return a file with a footer that declares other numbers: random bytes of it are replaced."""
    content = bytearray(_parquet(pa.table({name: np.arange(1000.0) for name in NAMES})))
    footer = int.from_bytes(content[-8:-4], "little")
    for _ in range(rng.choice([1, 3, 20])):
        at = len(content) - 8 - rng.randrange(footer)
        content[at : at + rng.choice([1, 5])] = rng.choice(
            [b"\xff\xff\xff\xff\x07", b"\xff", b"\x00", rng.randbytes(5)]
        )
    if rng.random() < 0.2:
        content[-8:-4] = struct.pack("<I", rng.choice([0, 0xFFFFFFFF, len(content) - 12, 1 << 30]))
    return "a.parquet", bytes(content)


def _page(rng: random.Random) -> tuple[str, bytes]:
    """Return pages that expand to a GiB of zeros, or declare another size than theirs."""
    codec = rng.choice(["zstd", "gzip", "brotli", "snappy", "lz4"])
    rows = rng.choice([100_000, 1_000_000, 1_700_000])
    table = pa.table({name: np.zeros(rows) for name in NAMES})
    content = bytearray(
        _parquet(
            table,
            use_dictionary=False,
            compression=codec,
            data_page_size=rng.choice([1 << 13, 1 << 30]),
            row_group_size=rows,
        )
    )
    for _ in range(rng.choice([0, 1, 3])):  # 15 is the type of an i32 in a page header
        at = content.find(b"\x15", rng.randrange(200))
        content[at + 1 : at + 6] = b"\xfe\xff\xff\xff\x0f"
    return "a.parquet", bytes(content)


def _arrow(rng: random.Random) -> tuple[str, bytes]:
    """Return an Arrow file whose buffers expand, or declare another size than theirs."""
    rows = rng.choice([1_000, 1_000_000, 1_700_000])
    content = io.BytesIO()
    feather.write_feather(
        pa.table({name: np.zeros(rows) for name in NAMES}), content, compression=rng.choice(["zstd", "lz4"])
    )
    data = bytearray(content.getvalue())
    for _ in range(rng.choice([0, 2, 50])):
        at = rng.randrange(len(data) - 8)
        data[at : at + 8] = struct.pack("<q", rng.choice([1 << 40, -1, 1 << 31, 1 << 62]))
    return "a.feather", bytes(data)


_OOXML = "http://schemas.openxmlformats.org"


def _xlsx(rng: random.Random) -> tuple[str, bytes]:
    """Return a workbook: far cells, huge texts, entities, or millions of styles or rows."""
    main = f'xmlns="{_OOXML}/spreadsheetml/2006/main"'
    sheet = f'<worksheet {main}><sheetData><row r="1"><c r="A1"><v>1</v></c></row>%s</sheetData></worksheet>'
    strings, styles, prefix, rows = "", "<cellXfs><xf numFmtId='0'/></cellXfs>", "", ""
    shape = rng.choice(["far", "wide", "strings", "entities", "styles", "rows", "text", "deep"])
    if shape == "far":
        rows = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    elif shape == "wide":
        rows = "".join(f'<row r="{n}"><c r="{c}{n}"><v>1</v></c></row>' for n, c in ((2, "XFD"), (100_000, "A")))
    elif shape == "strings":
        strings = f"<si><t>{'x' * 1000}</t></si>" * rng.choice([100_000, 600_000])
    elif shape == "entities":
        entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x" * 100}">' for n in range(10))
        prefix, strings = f"<!DOCTYPE x [{entities}]>", "<si><t>&e9;</t></si>"
    elif shape == "styles":
        styles = "<cellXfs>" + "<xf numFmtId='22'/>" * rng.choice([1_000_000, 5_000_000]) + "</cellXfs>"
    elif shape == "rows":
        rows = '<row><c t="s"><v>0</v></c><c><v>1</v></c></row>' * 2_000_000
        strings = f"<si><t>{'x' * 30_000}</t></si>"
    elif shape == "text":
        rows = f'<row r="2"><c r="A2" t="inlineStr"><is><t>{"9" * (100 * _MIB)}</t></is></c></row>'
    else:
        rows = "<row>" * 1_000_000
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_OOXML}/package/2006/content-types"><Default Extension="xml"'
        ' ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_OOXML}/package/2006/relationships"><Relationship Id="r1"'
        f' Type="{_OOXML}/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{_OOXML}/officeDocument/2006/relationships"><sheets>'
        '<sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_OOXML}/package/2006/relationships">'
        f'<Relationship Id="r1" Type="{_OOXML}/officeDocument/2006/relationships/worksheet" Target="worksheets/1.xml"/>'
        "</Relationships>",
        "xl/styles.xml": f"<styleSheet {main}>{styles}</styleSheet>",
        "xl/sharedStrings.xml": f"{prefix}<sst {main}>{strings}</sst>",
        "xl/worksheets/1.xml": sheet % rows,
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return "a.xlsx", content.getvalue()


FAMILIES: dict[str, Callable[[random.Random], tuple[str, bytes]]] = {
    "gzip": _gzip,
    "gzip in gzip": _nested_gzip,
    "bz2 or xz": _other_compression,
    "zip": _zip,
    "lying zip": _lying_zip,
    "many entries": _many_entries,
    "overlapping entries": _overlapping_zip,
    "odd entries": _odd_zip,
    "csv": _csv,
    "json": _json,
    "constant parquet": _constant_parquet,
    "valid parquet": _valid_parquet,
    "long texts": _long_texts,
    "wide table": _wide_table,
    "many row groups": _many_row_groups,
    "nested columns": _nested,
    "long lists": _long_lists,
    "metadata": _metadata,
    "lying footer": _lying_footer,
    "pages": _page,
    "arrow": _arrow,
    "workbook": _xlsx,
}
