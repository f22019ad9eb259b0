"""Texts of refused submissions, of tasks that failed, and of services that are not available."""

from collections.abc import Mapping

from coin_pipeline.errors.error_text import ErrorText

TASKS: Mapping[str, ErrorText] = {
    # Candles of a backtest.
    "candles_not_found": ErrorText(
        "no {timeframe} candles from {start} to {end} for {listed}",
        "{start}~{end} 기간에 {timeframe} 캔들이 없습니다: {listed}. 캔들 페이지에서 캔들을 받거나, 저장된 기간을"
        " 선택하십시오.",
        "no {timeframe} candles from {start} to {end} for {listed}; fetch them on the page of candles, or choose a"
        " range"
        " that is stored",
    ),
    "no_candles_for": ErrorText(
        "no {timeframe} candles from the beginning to the end for {listed}",
        "저장된 {timeframe} 캔들이 없습니다: {listed}. 캔들 페이지에서 캔들을 받으십시오.",
        "no {timeframe} candles are stored for {listed}; fetch them on the page of candles",
    ),
    "first_day": ErrorText("the beginning", "처음"),
    "last_day": ErrorText("the end", "끝"),
    "of_symbol": ErrorText("{symbol} ({reason})", "{symbol}({reason})"),
    "candles_stored": ErrorText("stored: {spans}", "저장됨: {spans}"),
    "no_candles_stored": ErrorText("nothing stored{hint}", "저장된 캔들 없음{hint}"),
    "fetch_with_command": ErrorText(
        "{stored}; fetch with 'coin candles get {symbol} --timeframe {timeframe}{first}'", "{stored}", "{stored}"
    ),
    "insufficient_coverage": ErrorText(
        "coverage of the {timeframe} candles from {start} to {end} is below min_coverage={required}: {listed}; fetch"
        " the"
        " missing candles with '{command}', or accept the gaps with min_coverage={lower} ('--min-coverage {lower}' on"
        " the"
        " command line)",
        "{start}~{end} 기간에 저장된 {timeframe} 캔들이 '최소 캔들 비율' {required}보다 적습니다: {listed}. 캔들"
        " 페이지에서 없는 캔들을 받거나, 빈 구간을 허용하려면 '최소 캔들 비율'에 {lower}을(를) 입력하십시오.",
        'coverage of the {timeframe} candles from {start} to {end} is below the "Minimum coverage" of {required}:'
        ' {listed}; fetch the missing candles on the page of candles, or enter {lower} as "Minimum coverage" to accept'
        " the gaps",
    ),
    "coverage": ErrorText(
        "{counted} expected, {present:,} present, {not_fetched:,} not fetched, the first of these from"
        " {start:time} to {end:time}",
        "필요 {expected:,}개, 저장 {present:,}개, 받지 않음 {not_fetched:,}개(처음은 {start:time}~{end:time})",
    ),
    "result_too_large": ErrorText(
        "{what} need at least {needed:,} MiB of {resource}, and the limit is {limit:,} MiB ({name}); request fewer"
        " symbols, points or days, or a longer timeframe, or raise the limit",
        "메모리 또는 디스크가 부족합니다. 최소 {needed:,} MiB가 필요한데 한도는 {limit:,} MiB({name})입니다. 심볼,"
        " 지점,"
        " 기간을 줄이거나 더 긴 캔들 주기를 선택하십시오.",
        "{what} need at least {needed:,} MiB of {resource}, and the limit is {limit:,} MiB ({name}); choose fewer"
        " symbols, points or days, or a longer timeframe",
    ),
    "not_collected": ErrorText(
        "failed to collect candles of {of}: {reasons}", "{of} 캔들을 받지 못했습니다: {reasons}"
    ),
    "of_series": ErrorText("{series}: {reason}", "{series}: {reason}"),
    "failed_markets": ErrorText("{listed}{more}", "{listed}{more}"),
    "more_markets": ErrorText("; and {count} more markets", " 외 {count}개 마켓"),
    # Submissions and tasks.
    "idempotency_conflict": ErrorText(
        "Idempotency-Key {key!r} already belongs to another request ({made}); use a new key",
        "이 양식은 다른 내용으로 이미 제출되었습니다({made}). 페이지를 새로 고친 뒤 다시 제출하십시오.",
        "this form was already submitted with other content ({made}); reload the page and submit again",
    ),
    "task_id_conflict": ErrorText(
        "task_id {task_id} already belongs to another request; choose a new one",
        "다른 요청이 이미 사용한 작업 ID입니다: {task_id}. 새 ID를 사용하십시오.",
    ),
    "not_cancellable": ErrorText(
        "task {task_id} cannot be cancelled: {reason}", "작업 {task_id}을(를) 취소할 수 없습니다: {reason}"
    ),
    "already_completed": ErrorText("it is already completed", "이미 완료되었습니다."),
    "already_failed": ErrorText("it is already failed", "이미 실패했습니다."),
    "already_cancelled": ErrorText("it is already cancelled", "이미 취소되었습니다."),
    "runs_in_command": ErrorText(
        "it runs inside a coin command; press Ctrl-C there",
        "명령줄에서 실행 중인 작업입니다. 실행한 터미널에서 중지하십시오.",
        "it runs in a terminal; stop it there",
    ),
    "queue_full": ErrorText(
        "the queue is full: {waiting:,} waiting, limit {limit:,}; submit again when some runs have started, or raise"
        " COIN_MAX_QUEUED",
        "대기열이 가득 찼습니다(대기 {waiting:,}건, 한도 {limit:,}건). 실행이 시작된 뒤 다시 제출하십시오.",
        "the queue is full: {waiting:,} waiting, limit {limit:,}; submit again when some runs have started",
    ),
    "client_queue_full": ErrorText(
        "{own:,} of the {waiting:,} queued runs are from this client, and the queue keeps its last {kept:,} places"
        " (COIN_MAX_QUEUED={limit:,}) for others; submit again when some of them have started",
        "대기 중인 작업 {waiting:,}건 중 {own:,}건이 이 사용자의 작업이며, 남은 {kept:,}자리는 다른 사용자의 몫입니다."
        " 작업이 시작된 뒤 다시 제출하십시오.",
        "{own:,} of the {waiting:,} queued runs are yours, and the last {kept:,} places are kept for others; submit"
        " again when some of them have started",
    ),
    "result_not_found": ErrorText(
        "no result or task has the id {run_id!r}; it may have expired",
        "결과나 작업이 없습니다: '{run_id}'. 보관 기간이 지났을 수 있습니다.",
    ),
    "not_an_id": ErrorText(
        "no result or task has the id {run_id!r}; ids of runs are UUIDs of 36 characters, so check it",
        "결과나 작업이 없습니다: '{run_id}'. 실행 ID는 36자의 UUID이므로 ID를 다시 확인하십시오.",
    ),
    "no_report": ErrorText(
        "no report can be built of result {run_id!r} of schema {version}, and none is stored with it; 'coin results"
        " show' prints its figures",
        "스키마 {version}의 결과 '{run_id}'에는 저장된 보고서가 없고 새로 만들 수도 없습니다.",
        "no report can be built of result {run_id!r} of schema {version}, and none is stored with it",
    ),
    "report_of_no_symbol": ErrorText(
        "result {run_id!r} has no symbol {symbol!r}{hint}; use one of its {count:,} symbols",
        "결과 '{run_id}'에 없는 심볼입니다: '{symbol}'{hint}. 결과의 심볼 {count:,}개 중에서 선택하십시오.",
    ),
    "report_of_all_symbols": ErrorText(
        "result {run_id!r} has only one report, of all symbols; omit the symbol",
        "결과 '{run_id}'에는 모든 심볼을 담은 보고서만 있습니다. 심볼을 지정하지 말고 여십시오.",
    ),
    "object_not_found": ErrorText("object {key!r} does not exist", "저장된 데이터가 없습니다: '{key}'"),
    "preset_not_found": ErrorText(
        "no preset is named {name!r}{hint}; 'coin presets list' shows all",
        "없는 프리셋입니다: '{name}'{hint}. 양식의 목록에서 선택하십시오.",
        "no preset is named {name!r}{hint}; choose one in the list of the form",
    ),
    "not_a_preset_name": ErrorText(
        "{name} is not a name: use letters, digits, spaces and _ . + -, and a letter or digit at both ends",
        "프리셋 이름으로 쓸 수 없습니다: {name}. 글자, 숫자, 공백과 _ . + -를 쓸 수 있고, 처음과 끝은 글자나"
        " 숫자여야 합니다.",
    ),
    "not_one_line": ErrorText(
        "has line breaks or other control characters; write one line",
        "줄바꿈이나 제어 문자가 있습니다. 한 줄로 입력하십시오.",
    ),
    "built_in_preset": ErrorText(
        "preset {name!r} is built in and cannot be {refused}; save one of this name to replace it",
        "기본 프리셋은 바꾸거나 삭제할 수 없습니다: '{name}'. 같은 이름으로 저장하면 대신 사용됩니다.",
    ),
    "preset_exists": ErrorText(
        "there already is a preset {name!r}; choose another name, or delete that one first",
        "이미 있는 프리셋입니다: '{name}'. 다른 이름을 입력하거나 먼저 그 프리셋을 삭제하십시오.",
    ),
    # Ends of runs.
    "cancelled": ErrorText(
        "the run was stopped before it had a result; run it again",
        "결과가 나오기 전에 실행이 중지되었습니다. 다시 실행하십시오.",
    ),
    "process_died": ErrorText(
        "the run's process ended before it had a result (killed, out of memory, or stopped with the platform); run it"
        " again",
        "결과가 나오기 전에 실행 프로세스가 종료되었습니다(강제 종료, 메모리 부족 또는 플랫폼 중지). 다시"
        " 실행하십시오.",
    ),
    "overdue": ErrorText(
        "the run was ended because it took longer than COIN_MAX_RUN_SECONDS={limit}; test fewer symbols or fewer"
        " candles, or raise the limit",
        "실행 시간이 한도 {limit}초를 넘어 종료되었습니다. 심볼이나 캔들을 줄이십시오. 한도(COIN_MAX_RUN_SECONDS)는"
        " 운영자가 바꿀 수 있습니다.",
        "the run was ended because it took longer than {limit} s; choose fewer symbols or a shorter range (the operator"
        " sets the limit, COIN_MAX_RUN_SECONDS)",
    ),
    "stalled": ErrorText(
        "the run was ended because it made no progress for COIN_STALL_SECONDS={limit}: a call of its strategy may never"
        " return; test it on fewer candles, or raise the limit",
        "{limit}초 동안 진행이 없어 실행을 종료했습니다. 전략의 계산이 끝나지 않는 것일 수 있습니다. 더 적은 캔들로"
        " 시험하십시오. 한도(COIN_STALL_SECONDS)는 운영자가 바꿀 수 있습니다.",
        "the run was ended because it made no progress for {limit} s: a call of its strategy may never return; test it"
        " on a shorter range (the operator sets the limit, COIN_STALL_SECONDS)",
    ),
    "unexpected_failure": ErrorText(
        "the run failed with an unexpected error; see its page in Dagster",
        "예상하지 못한 오류로 실행이 실패했습니다. Dagster의 실행 페이지에서 확인하십시오.",
    ),
    "out_of_memory": ErrorText(
        "the run exceeded COIN_RUN_MEMORY_MIB={limit} or the memory of the machine; use fewer symbols or candles, or"
        " raise the limit",
        "실행이 메모리 한도 {limit} MiB(COIN_RUN_MEMORY_MIB) 또는 서버의 메모리를 넘었습니다. 심볼이나 캔들을"
        " 줄이십시오.",
        "the run exceeded its limit of {limit} MiB (COIN_RUN_MEMORY_MIB) or the memory of the machine; choose fewer"
        " symbols or candles",
    ),
    "strategy_failed": ErrorText(
        "strategy {strategy!r} failed on {symbol}: {reason}",
        "전략 '{strategy}'이(가) {symbol}에서 오류를 냈습니다: {reason}",
    ),
    "bars_changed": ErrorText(
        "it changed its candles ({columns}), from which fills are computed; work on a copy, such as"
        " bars.{first}.copy()",
        "체결을 계산하는 캔들({columns})을 변경했습니다. bars.{first}.copy()와 같이 복사본을 사용하십시오.",
    ),
    "not_deterministic": ErrorText(
        "the strategy gives other decisions on the same candles: its {column} at bar {bar} (the candle of {opened})"
        " {differ} from one call to the next; it draws random numbers without a seed, reads the clock or keeps state:"
        " create np.random.default_rng(seed) in signals()",
        "같은 캔들에서 전략의 판단이 달라집니다: 봉 {bar}({opened} 캔들)의 {column}. 시드 없는 난수, 현재 시각, 남아"
        " 있는"
        " 상태를 쓰는지 확인하고, 난수는 signals() 안에서 np.random.default_rng(seed)로 만드십시오.",
    ),
    "look_ahead": ErrorText(
        "the strategy looks ahead: its {column} at bar {bar} (the candle of {opened}) {depend} on candles from bar"
        " {hidden} onward; use closed bars only (no shift(-1), whole-series extremes or centred windows)",
        "전략이 미래를 참조합니다: 봉 {bar}({opened} 캔들)의 {column}이(가) 봉 {hidden} 이후의 캔들에 따라 달라집니다."
        " 마감된 봉만 사용하십시오(shift(-1), 전체 구간의 최댓값·최솟값, 중심 이동 구간 금지).",
    ),
    "candles_changed": ErrorText(
        "the stored candles of {symbol} changed during the run; run it again",
        "실행 중에 {symbol}의 저장된 캔들이 바뀌었습니다. 다시 실행하십시오.",
    ),
    "code_changed": ErrorText(
        "the code of {strategy!r} or of the engine changed during the run; run it again",
        "실행 중에 '{strategy}' 전략 또는 엔진의 코드가 바뀌었습니다. 다시 실행하십시오.",
    ),
    "task_without_result": ErrorText(
        "task {task_id} is {status}{reason}; see {url}",
        "작업 {task_id}에 결과가 없습니다{reason}.",
        "task {task_id} is {status}{reason}",
    ),
    "because": ErrorText(": {reason}", ": {reason}"),
    "still_running": ErrorText(
        "the backtest is still {status}; poll /api/backtests/status/{task_id} for its result",
        "백테스트가 아직 끝나지 않았습니다. 작업 페이지에서 진행을 확인하십시오.",
        "the backtest is still {status}; its page in the list of tasks shows its progress",
    ),
    # Services and storage.
    "async_disabled": ErrorText(
        "asynchronous runs are switched off by {by}; POST /api/backtests/run, accepted tasks and all results keep"
        " working; {remedy}",
        "운영자가 새 작업의 제출을 막았습니다({by}). 이미 접수된 작업과 결과는 그대로 볼 수 있습니다.",
        "the operator has switched submissions off ({by}); accepted tasks and all results keep working",
    ),
    "data_refused": ErrorText(
        "the database rejected a value of the request, such as a number out of range",
        "데이터베이스가 요청의 값을 거부했습니다. 범위를 벗어난 숫자가 없는지 확인하십시오.",
    ),
    "database_unavailable": ErrorText(
        "the database does not respond or cannot write; try again later",
        "데이터베이스가 응답하지 않거나 쓸 수 없습니다. 나중에 다시 시도하십시오.",
    ),
    "database_too_new": ErrorText(
        "the database was upgraded by a newer version of the platform",
        "더 새로운 버전의 플랫폼이 데이터베이스를 업그레이드했습니다. 운영자에게 문의하십시오.",
    ),
    "schema_not_changed": ErrorText(
        "the tables of the platform cannot be changed", "플랫폼의 테이블을 변경할 수 없습니다. 운영자에게 문의하십시오."
    ),
    "orchestrator_unavailable": ErrorText(
        "the orchestrator cannot accept work at the moment; try again later",
        "지금은 작업을 받을 수 없습니다. 나중에 다시 시도하십시오.",
    ),
    "cluster_unavailable": ErrorText(
        "the cluster that evaluates sweeps is not available; the sweep resumes when it is run again",
        "스윕을 계산하는 클러스터를 사용할 수 없습니다. 다시 실행하면 이어서 계산합니다.",
    ),
    "storage_failed": ErrorText("an object cannot be read or written", "저장소의 데이터를 읽거나 쓸 수 없습니다."),
    "storage_full": ErrorText(
        "there is no space left to write; free some space and run again",
        "저장 공간이 부족합니다. 공간을 확보한 뒤 다시 실행하십시오.",
    ),
    "storage_refused": ErrorText(
        "the object store rejected the request; a setting or permission of the server must change",
        "저장소가 요청을 거부했습니다. 서버의 설정이나 권한을 바꿔야 합니다.",
    ),
    "storage_unavailable": ErrorText(
        "the object store does not respond; try again later", "저장소가 응답하지 않습니다. 나중에 다시 시도하십시오."
    ),
    "object_corrupt": ErrorText("{key!r} is corrupt: {reason}", "저장된 데이터가 손상되었습니다: '{key}'({reason})"),
    "object_changed": ErrorText(
        "{key!r} was changed by another process meanwhile; run it again",
        "그동안 다른 프로세스가 '{key}'을(를) 변경했습니다. 다시 실행하십시오.",
    ),
    "copy_damaged": ErrorText(
        "the copy of {key!r} in the cache was damaged, and has been removed; run it again",
        "캐시에 있는 '{key}'의 사본이 손상되어 삭제했습니다. 다시 실행하십시오.",
    ),
    "series_in_use": ErrorText(
        "the candles of {series} are being changed by {holder}; try again when it has finished",
        "{holder}이(가) {series} 캔들을 변경하고 있습니다. 작업이 끝난 뒤 다시 시도하십시오.",
    ),
    "unexpected_error": ErrorText("unexpected error", "예상하지 못한 오류입니다"),
    "logged_error": ErrorText(
        "{message} (error {error_id} in the server's log)", "{message} (서버 로그의 오류 번호 {error_id})"
    ),
    "body_not_json": ErrorText(
        "was not sent as a JSON object; send one with the header Content-Type: application/json",
        "JSON 객체로 보내지 않았습니다. 페이지를 새로 고친 뒤 다시 시도하십시오.",
        "was not sent as a JSON object; reload the page and try again",
    ),
    "page_not_found": ErrorText("there is no page {path}", "없는 페이지입니다: {path}"),
}
