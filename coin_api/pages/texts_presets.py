"""Texts of the page of presets."""

from coin_pipeline.languages import Text

TITLE = Text("Presets", "프리셋")
INTRODUCTION = Text(
    "Parameters of a strategy under a name, which opens the form of a backtest with them. Presets are saved there.",
    "전략 파라미터에 이름을 붙여 저장한 것입니다. 이름을 누르면 그 값으로 백테스트 양식이 열립니다."
    " 저장도 양식에서 합니다.",
)
NEW = Text("New backtest", "새 백테스트")
NAME = Text("Name", "이름")
STRATEGY = Text("Strategy", "전략")
PARAMS = Text("Parameters", "파라미터")
DESCRIPTION = Text("Description", "설명")
BUILT_IN_DESCRIPTIONS = {
    "aggressive": Text(
        "Breakouts of a wide volume zone over a short window: many signals.",
        "짧은 구간의 넓은 매물대를 돌파할 때 매수합니다. 신호가 많습니다.",
    ),
    "balanced": Text(
        "Breakouts of the volume zone with the usual window.", "기본 구간의 매물대를 돌파할 때 매수합니다."
    ),
    "conservative": Text(
        "Long candles on high volume: few signals.", "거래량이 많은 장대 양봉에 매수합니다. 신호가 적습니다."
    ),
}
"""What the built-in presets are, by their names; in English as in `presets.BUILT_IN`."""
ACTIONS = Text("Actions", "동작")
BUILT_IN = Text(
    "Built in: cannot be renamed or deleted.", "기본 제공 프리셋입니다. 이름을 바꾸거나 삭제할 수 없습니다."
)
CHANGED = Text(
    "Built in and changed: deleting it restores the original.",
    "수정된 기본 제공 프리셋입니다. 삭제하면 원래 값으로 돌아갑니다.",
)
NEW_NAME = Text("New name of {name}", "{name}의 새 이름")
RENAME = Text("Rename", "이름 변경")
DELETE = Text("Delete", "삭제")
DELETE_PRESET = Text("Delete {name}", "{name} 삭제")
CONFIRM = Text("Delete the preset {name}?", "프리셋 {name}을(를) 삭제하시겠습니까?")
INVALID = Text("The preset was not changed.", "프리셋이 변경되지 않았습니다.")
UNREACHABLE = Text("The server did not respond; try again.", "서버가 응답하지 않습니다. 다시 시도하십시오.")
