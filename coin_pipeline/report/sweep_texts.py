"""Texts of the sweep report, some of which the app's page of a sweep shows as well."""

from collections.abc import Mapping

from coin_pipeline.languages import Text
from coin_pipeline.report.texts import PAGE

SWEEP: Mapping[str, Text] = {
    "report": Text("Sweep report", "스윕 보고서"),
    "values": Text("{low} to {high}", "{low} ~ {high}"),
    "many_values": Text("{count} values, {low} to {high}", "{low} ~ {high}, 값 {count}개"),
    "best": Text("Best point", "최적 포인트"),
    "best_note": Text(
        "Point {point}, run again as a regular backtest with identical figures.",
        "포인트 {point}. 일반 백테스트로 다시 실행해 같은 값을 확인했습니다.",
    ),
    "objective": Text("the objective", "목표 지표"),
    "best_warnings": Text("Warnings of the best point's backtest", "최적 포인트 백테스트의 경고"),
    "heat_map": Text("Heat map", "히트맵"),
    "points": Text("Points", "포인트"),
    "points_note": Text("{points} points, {search} search", "포인트 {points}개, {search} 탐색"),
    "grid": Text("grid", "그리드"),
    "random": Text("random", "무작위"),
    "optuna": Text("Optuna", "Optuna"),
    "skipped": Text(
        "Skipped because they violate a constraint of the parameters: {count}.",
        "파라미터 제약 조건에 맞지 않아 제외한 포인트: {count}개.",
    ),
    "duplicates": Text("Duplicate draws, evaluated once: {count}.", "중복 추출되어 한 번만 평가한 포인트: {count}개."),
    "undefined": Text(
        "Points whose {objective} is undefined: {count}.", "목표 지표({objective})를 계산할 수 없는 포인트: {count}개."
    ),
    "objective_spread": Text("Distribution of the {objective}", "{objective} 분포"),
    "lowest": Text("lowest", "최저"),
    "25%": Text("25%", "25%"),
    "median": Text("median", "중앙값"),
    "75%": Text("75%", "75%"),
    "highest": Text("highest", "최고"),
    "plateau": Text("Plateau", "안정 구간"),
    "plateau_note": Text(
        "The point whose neighbourhood has the highest median objective. A neighbourhood is a point and all those that "
        "differ from it by at most one step in every numeric dimension. A result that holds for all neighbours is less "
        "likely to be luck.",
        "이웃 포인트의 목표 지표 중앙값이 가장 높은 포인트입니다. 이웃은 해당 포인트와, 모든 숫자 차원에서 차이가 한 "
        "단계 이내인 포인트입니다. 이웃에서도 유지되는 결과는 우연일 가능성이 작습니다.",
    ),
    "neighbourhood_median": Text("Median of the neighbourhood", "이웃의 중앙값"),
    "neighbourhood_size": Text("Points in the neighbourhood", "이웃 포인트 수"),
    "top": Text("Best {count} points", "상위 {count}개 포인트"),
    "several": Text(
        "Over {count} symbols: trades are summed, the drawdown is the largest, every other figure is the mean.",
        "{count}개 종목 기준: 거래 수는 합계, 낙폭은 최댓값, 나머지는 평균입니다.",
    ),
    "point": Text("Point", "포인트"),
    "reproducibility_note": Text(
        "Identical digests (SHA-256) and versions produce identical trials, for any number of threads and any chunk "
        "size.",
        "다이제스트(SHA-256)와 버전이 같으면 스레드 수와 청크 크기에 관계없이 평가 결과도 같습니다.",
    ),
    "trials": Text("Trials", "전체 포인트"),
    "trial_rows": Text("{count} rows in {file}", "{file}, {count}행"),
    "disclaimer": Text(
        "Trials on historical candles. The best of many trials is partly luck and no indication of future results.",
        "과거 캔들로 평가한 결과입니다. 여러 포인트 중 최고를 고른 결과에는 운이 섞여 있으며, 미래의 결과를 보장하지 "
        "않습니다.",
    ),
}
"""Texts that only the report of a sweep has, or has in place of those of a backtest."""
SWEEP_PAGE: Mapping[str, Text] = {**PAGE, **SWEEP}
"""Texts of the template."""
