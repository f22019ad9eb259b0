"""Texts of the page that submits a sweep."""

from collections.abc import Mapping

from coin_api.pages.texts_submit import FieldText
from coin_pipeline.languages import Text
from coin_pipeline.sweeps.request import MAX_UNCONFIRMED

TITLE = Text("New sweep", "새 스윕")
INTRODUCTION = Text(
    "Every field that is swept takes several values; all others are the same at every point. Values are written as"
    " lo:hi:step with both ends included, such as 5:60:5, or as a list, such as 0.1,0.2,none; random and Optuna also"
    " take a range, such as 5:60.",
    "스윕할 항목에는 여러 값을 지정하고, 나머지는 모든 포인트에서 같은 값을 씁니다. 값은 양 끝을 포함하는"
    " 시작:끝:간격(예: 5:60:5)이나 목록(예: 0.1,0.2,none)으로 입력합니다. 무작위와 Optuna 탐색에는 범위(예: 5:60)도"
    " 쓸 수 있습니다.",
)
SWEEP = Text("Sweep", "스윕")
SWEEP_FIELD = Text("Sweep {name}", "{name} 스윕")
VALUES = Text("Values of {name}", "{name}의 값")
SEARCH = Text("Search", "탐색")
SUBMIT = Text("Run sweep", "스윕 실행")
POINTS = Text("Points", "포인트 수")
CONFIRM = Text(f"Run more than {MAX_UNCONFIRMED:,} points", f"포인트 {MAX_UNCONFIRMED:,}개가 넘는 스윕을 실행합니다.")
CONFIRM_NEEDED = Text(
    "A sweep of this size needs to be confirmed: check the box, then submit again.",
    "이 규모의 스윕은 확인이 필요합니다. 확인란을 선택한 뒤 다시 실행하십시오.",
)

FIELDS: Mapping[str, FieldText] = {
    "search": FieldText(
        Text("Search", "탐색 방법"),
        Text(
            "Try all points of the grid, random points, or those that Optuna's TPE proposes.",
            "그리드의 모든 포인트, 무작위 포인트, 또는 Optuna의 TPE가 제안하는 포인트를 평가합니다.",
        ),
    ),
    "trials": FieldText(Text("Trials", "시도 횟수"), Text("Number of points to try.", "평가할 포인트 수.")),
    "seed": FieldText(
        Text("Seed", "시드"),
        Text("The same seed tries the same points.", "시드가 같으면 같은 포인트를 평가합니다."),
    ),
    "objective": FieldText(Text("Objective", "목표 지표"), Text("Figure to maximize.", "최대화할 지표.")),
}
"""The fields that only a sweep has."""
