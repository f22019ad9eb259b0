"""Texts of pydantic's errors on pages, by their types; `{got}` is the text `got`, or empty.

A type without a text of its own, such as those of sets and durations, has that of `other`.
"""

from collections.abc import Mapping

from coin_pipeline.errors.error_text import ErrorText

PREFIX = "pydantic."


def _text(en: str, ko: str) -> ErrorText:
    return ErrorText(f"{en}{{got}}", f"{ko}{{got}}")


_INTEGER = _text("must be a whole number", "정수를 입력하십시오")
_NUMBER = _text("must be a number", "숫자를 입력하십시오")
_SWITCH = _text("must be true or false", "true 또는 false여야 합니다")
_TEXT = _text("must be text", "텍스트를 입력하십시오")
_LIST = _text("must be a list", "목록이어야 합니다")
_OBJECT = _text("must be a JSON object", "JSON 객체여야 합니다")
_DAY = _text("must be a day as YYYY-MM-DD", "YYYY-MM-DD 형식의 날짜를 입력하십시오")
_ID = _text("is not a valid id", "올바른 ID가 아닙니다")
_CHOICE = _text("choose {expected}", "다음 중에서 선택하십시오: {expected}")
_TYPES: Mapping[str, ErrorText] = {
    "missing": _text("is required", "필수 항목입니다"),
    "none_required": _text("must be empty", "비워 두십시오"),
    "extra_forbidden": _text("is not a known field", "없는 항목입니다"),
    "greater_than": _text("must be > {gt}", "{gt}보다 커야 합니다"),
    "greater_than_equal": _text("must be >= {ge}", "{ge} 이상이어야 합니다"),
    "less_than": _text("must be < {lt}", "{lt}보다 작아야 합니다"),
    "less_than_equal": _text("must be <= {le}", "{le} 이하여야 합니다"),
    "multiple_of": _text("must be a multiple of {multiple_of}", "{multiple_of}의 배수여야 합니다"),
    "finite_number": _text("must be a finite number", "유한한 숫자여야 합니다"),
    "int_type": _INTEGER,
    "int_parsing": _INTEGER,
    "int_parsing_size": _INTEGER,
    "int_from_float": _INTEGER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "bool_type": _SWITCH,
    "bool_parsing": _SWITCH,
    "string_type": _TEXT,
    "string_sub_type": _TEXT,
    "string_unicode": _TEXT,
    "string_too_short": _text("needs at least {min_length} characters", "{min_length}자 이상 입력하십시오"),
    "string_too_long": _text("takes at most {max_length} characters", "{max_length}자까지 입력할 수 있습니다"),
    "string_pattern_mismatch": _text("has characters that are not allowed", "쓸 수 없는 문자가 있습니다"),
    "too_short": _text("needs at least {min_length} items", "항목이 {min_length}개 이상이어야 합니다"),
    "too_long": _text("takes at most {max_length} items", "항목은 {max_length}개까지 가능합니다"),
    "literal_error": _CHOICE,
    "enum": _CHOICE,
    "is_instance_of": _text("is not one of {class}", "{class}에 없는 값입니다"),
    "other": _text("{message}", "올바르지 않은 값입니다"),
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "json_invalid": _text("is not valid JSON", "올바른 JSON이 아닙니다"),
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
    "datetime_type": _DAY,
    "datetime_parsing": _DAY,
    "datetime_from_date_parsing": _DAY,
    "uuid_type": _ID,
    "uuid_parsing": _ID,
}
PYDANTIC: Mapping[str, ErrorText] = {
    "got": ErrorText(", not {value}", " (입력값: {value})"),
    **{f"{PREFIX}{name}": text for name, text in _TYPES.items()},
}


def code_of(error_type: str) -> str:
    """Return the code of the text of a type of errors."""
    return f"{PREFIX}{error_type if error_type in _TYPES else 'other'}"
