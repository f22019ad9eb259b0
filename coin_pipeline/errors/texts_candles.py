"""Texts of candle files that are uploaded."""

from collections.abc import Mapping

from coin_pipeline.errors.error_text import ErrorText

CANDLES: Mapping[str, ErrorText] = {
    "upload_too_large": ErrorText(
        "the file is larger than COIN_MAX_UPLOAD_MIB={limit}; split it, or use 'coin candles import'",
        "파일이 한도 {limit} MiB보다 큽니다. 파일을 나누어 올리십시오.",
        "the file is larger than {limit} MiB; split it",
    ),
    "too_many_uploads": ErrorText(
        "{limit} candle files are being uploaded, which is the limit; send this one again later",
        "지금 올리는 중인 캔들 파일이 한도 {limit}개에 이르렀습니다. 잠시 뒤 다시 올리십시오.",
    ),
    "reader_unavailable": ErrorText(
        "the program that reads candle files was ended from outside; import the file again",
        "캔들 파일을 읽는 프로그램이 종료되었습니다. 파일을 다시 올리십시오.",
        "the program that reads candle files was ended from outside; upload the file again",
    ),
    "unsupported_file": ErrorText(
        "{media_type!r} is not a supported candle file; send one of {known}",
        "지원하지 않는 파일 형식입니다. CSV, Parquet, JSON 또는 엑셀 파일을 선택하십시오.",
        "this is not a supported candle file; choose a CSV, Parquet, JSON or Excel file",
    ),
    "other_source": ErrorText(
        "{series} was fetched from {stored}, not from {new}; use another DATA_ROOT for that",
        "{series} 캔들은 {new}이(가) 아니라 {stored}에서 받은 것입니다. 가격이 달라 함께 저장할 수 없습니다.",
        "{series} was fetched from {stored}, not from {new}; their prices differ, so they cannot be stored together",
    ),
    "the_file": ErrorText("the file", "파일"),
    "in_file": ErrorText("{path}: {reason}", "{path}: {reason}"),
    "invalid_rows": ErrorText(
        "{path}: {rows}, the first: {first}",
        "{path}: 잘못된 행이 {count:,}개 있습니다. 첫 행: {first}",
    ),
}
