"""Tables of results as responses: content negotiation, pages, streams and validators."""

import hashlib
import json
import re
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, Response

from coin_api.accept import media_ranges, quality
from coin_api.deps import OrchestratorDep, StoreDep
from coin_api.errors import NotAcceptable
from coin_api.queries import TableQuery
from coin_api.responses import FileStream, explain_missing_result
from coin_api.tasks import Orchestrator
from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.results.table_formats import FORMATS, FormatName, encode_csv, json_items
from coin_pipeline.results.tables import ResultTable, TableName, open_table
from coin_pipeline.storage.base import ObjectStore

_CURSOR = re.compile(r"([0-9]{1,18})-([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class TableResponses:
    """Builds the responses of the routes of tables.

    Attributes:
        orchestrator: Knows the state of a task without a result.
        store: Object store of the results.
        accept: The Accept header.
        if_none_match: The If-None-Match header.
    """

    orchestrator: Orchestrator
    store: ObjectStore
    accept: str
    if_none_match: str

    def open(self, run_id: str, name: TableName, query: TableQuery) -> Response:
        """Return a page of a table as JSON, or the whole table as a file.

        Raises:
            NotAcceptable: The client accepts none of the formats.
            InvalidInput: The page is contradictory, or its cursor invalid.
            NotFound: There is no such result or table, or not yet.
            ObjectCorrupt: The table is damaged; the response has not started yet.
        """
        chosen = choose_format(query.format, self.accept)
        query.require_page(chosen)
        with ExitStack() as source:
            with explain_missing_result(self.orchestrator, run_id):
                table = source.enter_context(open_table(self.store, run_id, name))
            headers = {"Vary": "Accept"}
            if table.sha256 is not None:
                headers["ETag"] = _etag(table.sha256, chosen, query.model_dump())
            if _is_cached(headers.get("ETag"), self.if_none_match):
                return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
            matching = query.filters().apply(table)
            is_page = chosen == "json"
            response = (
                _page(matching, run_id, query) if is_page else _file(matching, run_id, chosen, source, query.timezone)
            )
            response.headers.update(headers)
            return response


async def _table_responses(
    orchestrator: OrchestratorDep,
    store: StoreDep,
    accept: Annotated[str, Header(description=f"One of {', '.join(f.media_type for f in FORMATS.values())}.")] = "",
    if_none_match: Annotated[str, Header(description="ETags of cached responses.")] = "",
) -> TableResponses:
    return TableResponses(orchestrator, store, accept, if_none_match)


TableResponsesDep = Annotated[TableResponses, Depends(_table_responses)]


def choose_format(requested: FormatName | None, accept: str) -> FormatName:
    """Return the format of a response: the one that the query requests, or else the one that the client prefers.

    Args:
        requested: `format` of the query.
        accept: The Accept header; empty accepts anything. Formats of equal quality rank as in `FORMATS`.

    Raises:
        NotAcceptable: The header accepts none of the formats.
    """
    if requested is not None:
        return requested
    ranges = media_ranges(accept)
    best = max(FORMATS, key=lambda name: quality(FORMATS[name].media_type, ranges))
    if not quality(FORMATS[best].media_type, ranges):
        raise NotAcceptable(accept, [table_format.media_type for table_format in FORMATS.values()])
    return best


def _page(table: ResultTable, run_id: str, query: TableQuery) -> Response:
    key = zlib.crc32(json.dumps([run_id, table.name, query.filters()]).encode())
    start = query.offset if query.cursor is None else _parse_cursor(query.cursor, key, table.rows)
    end = start + query.limit
    members = {"total": table.rows, "limit": query.limit, "offset": start}
    items = b"".join(json_items(table.name, table.batches(start, query.limit)))
    cursor = json.dumps(f"{end}-{key:08x}" if end < table.rows else None)
    head = json.dumps(members, separators=(",", ":")).encode().removesuffix(b"}")
    body = b'%b,"items":[%b],"next_cursor":%b}' % (head, items, cursor.encode())
    return Response(body, media_type="application/json")


def _file(table: ResultTable, run_id: str, name: FormatName, source: ExitStack, zone: str | None) -> FileStream:
    """Return a whole table as a file; a time zone is only for CSV."""
    chosen = FORMATS[name]
    filename = f"backtest_{run_id}_{table.name}{chosen.suffix}"
    content = encode_csv(table, zone) if zone else chosen.encode(table)
    return FileStream(content, source, chosen.media_type, filename)


def _etag(sha256: str, *variant: object) -> str:
    """Return the weak validator of one representation, such as a format, of content with this digest."""
    return f'W/"{hashlib.sha256(json.dumps([sha256, *variant]).encode()).hexdigest()[:32]}"'


def _is_cached(etag: str | None, if_none_match: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag is not None and not tags.isdisjoint({etag.removeprefix("W/"), "*"})


def _parse_cursor(token: str, key: int, rows: int) -> int:
    match = _CURSOR.fullmatch(token)
    if match is None or int(match[2], 16) != key or int(match[1]) >= rows:
        reason = (
            f"{token[:80]!r} is not a cursor of this table with these filters; use next_cursor of the previous page"
        )
        raise InvalidInput([Problem("cursor", f"{reason}, or omit it for the first page")])
    return int(match[1])
