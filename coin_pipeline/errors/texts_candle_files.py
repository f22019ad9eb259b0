"""Texts of the files of uploaded candles: their format, size, columns and market."""

from collections.abc import Mapping

from coin_pipeline.errors.error_text import ErrorText

CANDLE_FILES: Mapping[str, ErrorText] = {
    # Formats.
    "unreadable_as": ErrorText("cannot be read as {format} ({reason})", "{format} 파일로 읽을 수 없습니다({reason})."),
    "damaged_content": ErrorText("the content is damaged or of another format", "내용이 손상되었거나 다른 형식의 파일"),
    "refused_format": ErrorText(
        "{fault}; write the candles as CSV or Parquet{how}", "{fault} 캔들을 CSV나 Parquet으로 저장하십시오."
    ),
    "is_pickle": ErrorText(
        "is a pickle, which can execute code when it is read",
        "읽을 때 코드가 실행될 수 있는 pickle 파일은 받지 않습니다.",
    ),
    "is_hdf5": ErrorText("is an HDF5 file, which is not supported", "HDF5 파일은 지원하지 않습니다."),
    "unknown_suffix": ErrorText("{suffix!r} is not one of {known}", "지원하지 않는 확장자입니다: '{suffix}'"),
    "other_format": ErrorText(
        "is {format} by its content; rename it to {suffixes}",
        "확장자와 달리 내용은 {format}입니다. 확장자를 바꾸어 다시 올리십시오.",
    ),
    "excel_or_zip": ErrorText("an Excel workbook or a zip archive", "엑셀 파일(.xlsx) 또는 압축 파일(.zip)"),
    "gzip": ErrorText("compressed with gzip", "gzip으로 압축된 파일(.gz)"),
    "parquet": ErrorText("a Parquet file", "Parquet 파일(.parquet)"),
    "feather": ErrorText("a Feather file", "Feather 파일(.feather)"),
    "old_excel": ErrorText("an old Excel workbook", "이전 형식의 엑셀 파일(.xls)"),
    "no_candle_file": ErrorText(
        "holds no candle file{shown}; unpack it", "압축 파일 안에 캔들 파일이 없습니다{shown}. 압축을 풀어 올리십시오."
    ),
    "several_candle_files": ErrorText(
        "holds {count} candle files{shown}; unpack it",
        "압축 파일 안에 캔들 파일이 {count}개 있습니다{shown}. 압축을 풀어 하나씩 올리십시오.",
    ),
    "encrypted": ErrorText("is encrypted; unpack it", "암호가 걸려 있습니다. 압축을 풀어 올리십시오."),
    "broken_compression": ErrorText(
        "cannot be decompressed: it is damaged or cut off",
        "압축을 풀 수 없습니다. 파일이 손상되었거나 일부가 빠져 있습니다.",
    ),
    "not_a_workbook": ErrorText(
        "cannot be read as an Excel workbook; save it as .xlsx or CSV",
        "엑셀 파일로 읽을 수 없습니다. .xlsx나 CSV로 다시 저장하십시오.",
    ),
    "sheets_with_tables": ErrorText(
        "has {count} sheets with a table{named}; keep the one with the candles",
        "표가 있는 시트가 {count}개입니다{named}. 캔들이 있는 시트만 남기십시오.",
    ),
    "not_json": ErrorText("is neither JSON nor JSON lines", "JSON도 JSON Lines도 아닙니다."),
    "json_object": ErrorText(
        "is a JSON object with the keys {keys}; write a list of candles (pandas: orient='records')",
        "캔들 목록이 아니라 JSON 객체입니다(키: {keys}). 캔들 목록으로 저장하십시오(pandas: orient='records').",
    ),
    "json_row": ErrorText(
        "row {row} is not a list of {width} values: {record!r}", "{row}행이 값 {width}개의 목록이 아닙니다: '{record}'"
    ),
    "unknown_encoding": ErrorText(
        "is not a text in UTF-8, Korean (cp949) or Western (cp1252); save it as CSV in UTF-8",
        "문자 인코딩이 UTF-8, 한국어(cp949), 서유럽어(cp1252) 중 어느 것도 아닙니다. UTF-8 CSV로 저장하십시오.",
    ),
    "wrong_encoding": ErrorText(
        "is not a text in {encoding}; save it as CSV in UTF-8",
        "문자 인코딩이 {encoding}이(가) 아닙니다. UTF-8 CSV로 저장하십시오.",
    ),
    "ragged_row": ErrorText(
        "row {row} has {actual} instead of {expected} columns: {text!r}",
        "{row}행의 열이 {expected}개가 아니라 {actual}개입니다: '{text}'",
    ),
    # Sizes.
    "split_file": ErrorText(
        "split it, or raise COIN_IMPORT_MEMORY_MIB",
        "파일을 나누어 올리십시오.",
        "split it",
    ),
    "line_too_long": ErrorText(
        "line {line} is more than the limit of {limit} MiB long; write each candle on a line of its own",
        "{line}번째 줄이 한도 {limit} MiB를 넘습니다. 캔들마다 한 줄씩 쓰십시오.",
    ),
    "too_many_entries": ErrorText(
        "has {entries:,} entries, more than the limit of {limit:,}; send the file with the candles alone",
        "파일 안의 항목이 {entries:,}개로 한도 {limit:,}개를 넘습니다. 캔들 파일만 올리십시오.",
    ),
    "too_many_rows": ErrorText(
        "has {rows:,} rows, more than the limit of {limit:,}; {remedy}",
        "행이 {rows:,}개로 한도 {limit:,}개를 넘습니다. {remedy}",
    ),
    "too_many_columns": ErrorText(
        "has {columns:,} columns, more than the limit of {limit:,}; write only time, open, high, low, close and volume",
        "열이 {columns:,}개로 한도 {limit:,}개를 넘습니다. 시각, 시가, 고가, 저가, 종가, 거래량만 저장하십시오.",
    ),
    "too_many_parts": ErrorText(
        "has {parts:,} {kind}, more than the limit of {limit:,}; write it again with larger ones",
        "파일이 {parts:,}개 부분({kind})으로 나뉘어 한도 {limit:,}개를 넘습니다. 더 큰 단위로 다시 저장하십시오.",
    ),
    "expands_too_far": ErrorText(
        "expands to more than {limit:,} MiB; {remedy}", "압축을 풀면 한도 {limit:,} MiB를 넘습니다. {remedy}"
    ),
    "large_metadata": ErrorText(
        "has {size:,} bytes of metadata, more than the limit of {limit} MiB; write only the candles",
        "메타데이터가 {size:,}바이트로 한도 {limit} MiB를 넘습니다. 캔들만 저장하십시오.",
    ),
    "other_row_count": ErrorText(
        "is damaged: it declares {declared:,} rows, its row groups {held:,}",
        "파일이 손상되었습니다. 행이 {declared:,}개라고 되어 있지만 행 그룹에는 {held:,}개가 있습니다.",
    ),
    "long_text": ErrorText(
        "its column {name} has a text of {size:,} bytes, more than the limit of {limit:,}; write times, numbers and"
        " names only",
        "'{name}' 열에 한도 {limit:,}바이트를 넘는 텍스트({size:,}바이트)가 있습니다. 시각, 숫자, 이름만 저장하십시오.",
    ),
    "needs_memory": ErrorText(
        "needs more than {needed:,} MiB of memory to be read; split it, or raise COIN_IMPORT_MEMORY_MIB={limit}",
        "읽는 데 필요한 메모리가 {needed:,} MiB를 넘습니다. 파일을 나누어 올리십시오.",
        "needs more than {needed:,} MiB of memory to be read; split it",
    ),
    "needs_time": ErrorText(
        "needs more than {needed} s to be read; split it, or raise COIN_IMPORT_SECONDS={limit}",
        "읽는 데 {needed}초가 넘게 걸립니다. 파일을 나누어 올리십시오.",
        "needs more than {needed} s to be read; split it",
    ),
    "ends_reader": ErrorText(
        "ended the program that reads it ({exit}), so it is probably damaged; write it again, or as CSV",
        "파일을 읽는 프로그램이 종료되었습니다({exit}). 파일이 손상된 것으로 보입니다. 다시 저장하거나 CSV로"
        " 저장하십시오.",
    ),
    "not_a_regular_file": ErrorText("is not a regular file; write it to one first", "일반 파일이 아닙니다."),
    # Columns.
    "column_absent": ErrorText(
        "has no column {missing}; required are {required}", "열이 없습니다: {missing}. 필요한 열: {required}"
    ),
    "column_of_type": ErrorText(
        "its column {name} is of type {kind}; store numbers or texts",
        "'{name}' 열의 형식이 {kind}입니다. 숫자나 텍스트로 저장하십시오.",
    ),
    "columns_of_one_name": ErrorText(
        "has several columns named {name!r:.60}; rename or remove one",
        "이름이 같은 열이 여러 개 있습니다: '{name:.58}'. 하나의 이름을 바꾸거나 삭제하십시오.",
    ),
    "unclear_columns": ErrorText(
        "{problem}; its columns are {shown}: name them with --columns, such as {example}",
        "{problem} 파일의 열: {shown}. '열과 형식'에서 지정하십시오.",
        '{problem}; its columns are {shown}: choose them under "Columns and formats"',
    ),
    "fields_without_column": ErrorText("has no column for {fields}", "열을 찾을 수 없습니다: {fields}."),
    "no_header": ErrorText(
        "has no header and {count} columns, such as {cells}",
        "머리글이 없고 열이 {count}개입니다(예: {cells}).",
    ),
    "column_used_twice": ErrorText("would use one column for two fields", "한 열이 두 항목에 지정되었습니다."),
    "chosen_absent": ErrorText(
        "has no column {name!r}, which --columns names for {field}",
        "{field}에 지정한 열이 없습니다: '{name}'.",
        "has no column {name!r}, which was chosen for {field}",
    ),
    "chosen_several": ErrorText(
        "has {count} columns {name!r}, which --columns names for {field}",
        "{field}에 지정한 열이 {count}개 있습니다: '{name}'.",
        "has {count} columns {name!r}, which was chosen for {field}",
    ),
    "field_of_several": ErrorText(
        "has more than one column for {field}: {several}", "{field}에 해당하는 열이 여러 개입니다: {several}."
    ),
    "ticks_without_amounts": ErrorText(
        "its column {name} is 0 in every row, and {ticks} counts price changes, not traded amounts; to use it all the"
        " same, pass --columns volume={column}",
        "{name} 열이 모든 행에서 0이고, {ticks} 열은 거래량이 아니라 가격 변동 횟수입니다. 그래도 사용하려면 '열과"
        " 형식'의 '거래량'에서 {ticks} 열을 선택하십시오.",
        "its column {name} is 0 in every row, and {ticks} counts price changes, not traded amounts; to use it all the"
        ' same, choose it as "Volume" under "Columns and formats"',
    ),
    "columns_not_pairs": ErrorText(
        "{part!r} is not key=value; write for example time=날짜,open=시가", "key=value 형식이 아닙니다: '{part}'"
    ),
    "columns_given_twice": ErrorText("{key} is given twice", "두 번 지정되었습니다: {key}"),
    "columns_key": ErrorText(
        "{key!r} is not one of {known}{hint}", "알 수 없는 항목입니다: '{key}'{hint}. 다음 중에서 지정하십시오: {known}"
    ),
    "columns_value": ErrorText("{key} is {value!r}, not {known}", "{key}에 지정할 수 없는 값입니다: '{value}'"),
    # Market and timeframe.
    "several_markets": ErrorText(
        "contains {count} markets: {names}; write one file for each",
        "종목이 {count}개 들어 있습니다: {names}. 종목마다 파일을 나누십시오.",
    ),
    "no_market": ErrorText(
        "neither its name nor its content names one market; pass --symbol BTC_KRW",
        "파일에서 종목을 알 수 없습니다. '종목'을 입력하십시오.",
        'neither its name nor its content names one market; enter the "Market"',
    ),
    "holds_other_market": ErrorText(
        "contains candles of {inside}, not of {symbol}; pass --symbol {inside}",
        "{symbol}이(가) 아니라 {inside}의 캔들이 들어 있습니다. '종목'에 {inside}을(를) 입력하십시오.",
        'contains candles of {inside}, not of {symbol}; enter {inside} as the "Market"',
    ),
    "named_otherwise": ErrorText(
        "its name contains {named}, not {requested}; import it on its own",
        "파일 이름에 {requested}이(가) 아니라 {named}이(가) 있습니다. 따로 올리십시오.",
        "its name contains {named}, not {requested}; upload it on its own",
    ),
    "archive_of_other_market": ErrorText(
        "its name contains {outside}, but it holds {member!r} of {inside}; unpack it",
        "이름에는 {outside}이(가) 있지만 {inside}의 파일 '{member}'이(가) 들어 있습니다. 압축을 풀어 올리십시오.",
    ),
    "no_timeframe": ErrorText(
        "its name contains no timeframe such as 1d; pass --timeframe 1d",
        "파일 이름에서 주기를 알 수 없습니다. '주기'를 선택하십시오.",
        'its name contains no timeframe such as 1d; choose the "Timeframe"',
    ),
}
