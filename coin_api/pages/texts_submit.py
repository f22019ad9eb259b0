"""Texts of the page that submits a backtest."""

from collections.abc import Mapping
from typing import NamedTuple

from coin_pipeline.backtest.option_labels import OPTION_LABELS
from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.candles.fields import RequestModel
from coin_pipeline.forward.spec import ForwardRequest
from coin_pipeline.languages import Text


class FieldText(NamedTuple):
    """The label of a field, and what it means."""

    label: Text
    help: Text


def _field(name: str, label: Text, korean_help: str, model: type[RequestModel] = BacktestRequest) -> FieldText:
    description = model.model_fields[name].description or ""
    return FieldText(label, Text(_literal(description), _literal(korean_help)))


def _literal(text: str) -> str:
    """Return a text without placeholders."""
    return text.replace("{", "{{").replace("}", "}}")


TITLE = Text("New backtest", "새 백테스트")
NO_SCRIPT = Text(
    "This form needs JavaScript. Without it, use the command below or the API.",
    "이 양식은 JavaScript가 필요합니다. 사용할 수 없으면 아래 명령이나 API를 이용하십시오.",
)
NO_CANDLES = Text("No candles are stored yet.", "저장된 캔들이 없습니다.")
STRATEGY = Text("Strategy", "전략")
UNKNOWN_STRATEGY = Text(
    "The strategy {name} is not registered any more; choose another one.",
    "전략 {name}은(는) 더 이상 등록되어 있지 않습니다. 다른 전략을 선택하십시오.",
)
PRESET = Text("Preset", "프리셋")
PRESET_WITHOUT_STRATEGY = Text(
    "{name} (strategy {strategy} is not registered)", "{name} (전략 {strategy}이(가) 등록되어 있지 않음)"
)
PRESETS = Text("Rename or delete presets", "프리셋 이름 변경/삭제")
NO_PRESET = Text("none", "없음")
PARAMETERS = Text("Parameters", "파라미터")
NO_PARAMETERS = Text("This strategy has no parameters.", "이 전략에는 파라미터가 없습니다.")
MARKET = Text("Market and range", "종목과 기간")
SYMBOLS = Text("Symbols", "종목")
NOT_STORED = Text("no candles stored", "저장된 캔들 없음")
SYMBOLS_FILTER = Text("Find a symbol", "종목 찾기")
TIMEFRAME = Text("Timeframe", "주기")
START = Text("First day", "시작일")
END = Text("Last day, inclusive", "종료일(포함)")
OUTSIDE_STORED = Text(
    "Candles are not stored for all of these days, so the task may fail.",
    "이 기간의 캔들이 모두 저장되어 있지 않아 작업이 실패할 수 있습니다.",
)
ADD_CANDLES = Text("Fetch or upload candles", "캔들 수집 또는 업로드")
END_IN_FUTURE = Text(
    "The last day is in the future: the task ends with the newest candle that is stored when it runs.",
    "종료일이 미래의 날짜입니다. 실행 시점에 저장된 최신 캔들까지만 사용합니다.",
)
STORED_PART = Text("{series}: stored from {first} to {last}", "{series}: {first} ~ {last} 저장됨")
STORED_NONE = Text("{series}: nothing is stored", "{series}: 저장된 캔들 없음")
STORED_MORE = Text("and {count} more", "그 외 {count}개")
ACCOUNT = Text("Fills, costs, stops and account", "체결, 비용, 손절/익절, 계좌")
DEFAULT = Text("default {value}", "기본값 {value}")
EMPTY = Text("Enter a value; the default is {value}.", "값을 입력하십시오. 기본값은 {value}입니다.")
NONE = Text("none", "없음")
JSON = Text("JSON", "JSON")
SWITCHES = {True: Text("on", "켬"), False: Text("off", "끔")}
SUBMIT = Text("Run backtest", "백테스트 실행")
SWEEP_INSTEAD = Text("Sweep parameters instead", "파라미터 스윕하기")
SUBMITTING = Text("Submitting …", "제출 중…")
INVALID = Text("The request was not accepted. Nothing was stored.", "요청이 접수되지 않았습니다. 저장된 것은 없습니다.")
UNREACHABLE = Text(
    "The server did not respond. Check that the server is running, then submit again: nothing runs twice.",
    "서버가 응답하지 않습니다. 서버가 실행 중인지 확인한 뒤 다시 제출하십시오. 중복 실행되지 않습니다.",
)
PRESET_NAME = Text("Name", "이름")
SAVE_PRESET = Text("Save parameters as a preset", "파라미터를 프리셋으로 저장")
SAVE = Text("Save", "저장")
SAVED = Text("The preset is saved.", "프리셋을 저장했습니다.")
REPLACE = Text("Replace the preset {name}?", "프리셋 {name}을(를) 바꾸시겠습니까?")

FIELDS: Mapping[str, FieldText] = {
    "fill": _field(
        "fill",
        OPTION_LABELS["fill"],
        "next_open은 다음 봉 시가에 체결합니다. signal_close는 기존 플랫폼의 이벤트 스터디입니다.",
    ),
    "fee_rate": _field("fee_rate", OPTION_LABELS["fee_rate"], "매수/매도 각각의 수수료. 거래 금액에 대한 비율."),
    "slippage_rate": _field(
        "slippage_rate", OPTION_LABELS["slippage_rate"], "매수/매도 각각의 슬리피지. 가격에 대한 비율."
    ),
    "stop_loss": _field(
        "stop_loss", OPTION_LABELS["stop_loss"], "진입가보다 이 비율만큼 떨어지면 매도합니다. 예: 0.05."
    ),
    "take_profit": _field(
        "take_profit", OPTION_LABELS["take_profit"], "진입가보다 이 비율만큼 오르면 매도합니다. 예: 0.1."
    ),
    "trailing_stop": _field(
        "trailing_stop",
        OPTION_LABELS["trailing_stop"],
        "진입 후 최고가보다 이 비율만큼 떨어지면 매도합니다.",
    ),
    "position_size": _field(
        "position_size",
        OPTION_LABELS["position_size"],
        "한 번 진입할 때 쓰는 자산 비율. 기본값은 1, max_positions가 있으면 1/max_positions.",
    ),
    "max_positions": _field(
        "max_positions",
        OPTION_LABELS["max_positions"],
        "모든 종목을 한 계좌에서 거래하고 동시 보유 종목 수를 이 값으로 제한합니다."
        " 비워 두면 종목마다 별도 계좌입니다.",
    ),
    "initial_cash": _field(
        "initial_cash",
        OPTION_LABELS["initial_cash"],
        "계좌의 시작 금액(호가 통화). 기본값: KRW 10,000,000, BTC 1, ETH 10, 그 외 10,000.",
    ),
    "min_order": _field(
        "min_order",
        OPTION_LABELS["min_order"],
        "이보다 작은 매수 주문은 내지 않습니다(호가 통화). 업비트: 5000 KRW, 0.00005 BTC, 0.5 USDT.",
    ),
    "tick_sizes": _field(
        "tick_sizes",
        OPTION_LABELS["tick_sizes"],
        "체결 가격을 이 거래소의 호가 단위에 맞춰 불리한 쪽으로 반올림합니다.",
    ),
    "warm_up": _field(
        "warm_up",
        OPTION_LABELS["warm_up"],
        "auto는 시작일 이전의 저장된 캔들도 읽어 첫 캔들부터 판단할 수 있게 합니다. none은 기간 안의 캔들만 읽습니다.",
    ),
    "timezone": _field(
        "timezone", OPTION_LABELS["timezone"], "시작일과 종료일의 시간대. IANA 이름(예: Asia/Seoul, UTC)."
    ),
    "collect": _field(
        "collect",
        Text("Collect candles", "캔들 수집"),
        "새 캔들을 거래소에서 수집합니다. 캔들을 직접 가져오면 끄십시오.",
        ForwardRequest,
    ),
    "exchange": _field("exchange", Text("Exchange", "거래소"), "캔들을 수집하는 거래소.", ForwardRequest),
    "min_coverage": _field(
        "min_coverage",
        Text("Minimum coverage", "최소 캔들 비율"),
        "알려진 캔들(저장되었거나, 조회했지만 거래가 없던 캔들)의 비율이 이보다 작은 종목은 거부합니다."
        " 0이면 모두 허용합니다.",
    ),
}
"""The fields of the requests that have no controls of their own."""
