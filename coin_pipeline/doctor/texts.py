"""What the checks find, in English and in Korean; messages of servers and libraries are quoted as they are."""

from coin_pipeline.languages import Text

NOT_FINISHED = Text("not finished within {seconds} s", "{seconds}초 안에 점검이 끝나지 않았습니다")
NOT_FINISHED_ADVICE = Text(
    "Run 'coin doctor' again: the machine was too busy, or what is checked hangs.",
    "'coin doctor'를 다시 실행하십시오. 서버의 부하가 높거나 점검 대상이 응답하지 않는 상태입니다.",
)

# Settings and versions.
SETTINGS_VALID = Text("valid; set: {names}", "정상(설정된 항목: {names})")
SETTINGS_DEFAULT = Text("valid; all have their defaults", "정상(모두 기본값)")
SETTINGS_UNUSED = Text("without effect: {names}", "효과가 없는 설정: {names}")
SETTINGS_UNUSED_ADVICE = Text(
    "Remove them from the environment and from .env; docs/settings.md lists what replaces them.",
    "환경 변수와 .env에서 삭제하십시오. 대신 사용하는 설정은 docs/settings.md에 있습니다.",
)
SECRETS_READABLE = Text(
    ".env has mode {mode:o}, so other users of this machine can read its secrets",
    ".env의 권한이 {mode:o}이므로 이 서버의 다른 사용자가 비밀 정보를 읽을 수 있습니다",
)
SECRETS_READABLE_ADVICE = Text("Run 'chmod 600 .env'.", "'chmod 600 .env'를 실행하십시오.")
VERSIONS_OK = Text(
    "coin {coin}, Dagster {dagster}, Python {python}, {system}",
    "coin {coin}, Dagster {dagster}, Python {python}, {system}",
)
VERSIONS_WRONG = Text("not the required versions: {packages}", "필요한 버전이 아닙니다: {packages}")

# The machine.
CLOCK_OK = Text("{now} UTC, {compared}", "{now}(UTC), {compared}")
CLOCK_OFF = Text(
    "{now} UTC, {seconds:+.0f} s from {reference}",
    "현재 시각 {now}(UTC)이 {reference}의 시각과 {seconds:+.0f}초 차이 납니다",
)
CLOCK_COMPARED = Text("within {limit} s of {references}", "{references}의 시각과 {limit}초 이내로 일치")
CLOCK_SYNCHRONISED = Text("synchronised", "동기화됨")
CLOCK_UNKNOWN = Text("nothing to compare it with", "비교할 기준 없음")
CLOCK_UNSYNCHRONISED = Text(
    "{now} UTC; the kernel reports that nothing synchronises it",
    "{now}(UTC). 커널이 시계가 동기화되지 않는다고 보고합니다",
)
THE_DATABASE = Text("the database server", "데이터베이스 서버")
THE_BUCKET = Text("the object store", "오브젝트 스토리지")
ZONE_OK = Text(
    "{local} here; schedules and days are in Asia/Seoul, where it is {seoul}",
    "서버 시간대는 {local}입니다. 스케줄과 날짜는 Asia/Seoul 기준이며 현재 {seoul}입니다",
)
ZONE_MISSING = Text("the zone Asia/Seoul is unknown or wrong", "Asia/Seoul 시간대 정보가 없거나 잘못되었습니다")
DISK_FREE = Text("{free} of {total} free at {path}", "{path}: 전체 {total} 중 {free} 사용 가능")
DISK_NEEDS = Text(
    "{free} of {total} free at {path}; {needed} are recommended",
    "{path}: 전체 {total} 중 {free} 사용 가능(권장 {needed} 이상)",
)
DATA_ROOT_OK = Text("{path} is writable", "{path}에 쓸 수 있습니다")
DATA_ROOT_MISSING = Text("{path} does not exist yet", "{path}가 아직 없습니다")
DATA_ROOT_MISSING_ADVICE = Text(
    "Nothing if the platform has never been started: 'coin up' creates it. Otherwise correct DATA_ROOT.",
    "플랫폼을 한 번도 시작하지 않았다면 조치가 필요 없습니다. 'coin up'이 만듭니다. 그렇지 않다면 DATA_ROOT를"
    " 확인하십시오.",
)
DATA_ROOT_REFUSED = Text(
    "{path} cannot be written by user id {user}",
    "사용자 ID {user}에 {path} 쓰기 권한이 없습니다",
)
DATA_ROOT_OPEN = Text(
    "{path} has mode {mode:o}, so other users of this machine can read it",
    "{path}의 권한이 {mode:o}이므로 이 서버의 다른 사용자가 읽을 수 있습니다",
)
DATA_ROOT_OPEN_ADVICE = Text(
    "Run 'chmod 700 {path}'; 'coin up' does so too.",
    "'chmod 700 {path}'를 실행하십시오. 'coin up'도 시작할 때 권한을 조정합니다.",
)

# The platform's processes.
DATABASE_OK = Text(
    "PostgreSQL {version}, responds in {ms:.0f} ms, {used} of {limit} connections used",
    "PostgreSQL {version}, 응답 시간 {ms:.0f}ms, 연결 {limit}개 중 {used}개 사용",
)
DATABASE_STOPPED = Text("the embedded server is not running", "내장 데이터베이스 서버가 실행되고 있지 않습니다")
DATABASE_CROWDED = Text(
    "{used} of {limit} connections are used",
    "연결 {limit}개 중 {used}개를 사용하고 있습니다",
)
DATABASE_CROWDED_ADVICE = Text(
    "Raise max_connections of the server, or end other programs that use it.",
    "서버의 max_connections를 늘리거나 연결을 사용하는 다른 프로그램을 종료하십시오.",
)
MIGRATIONS_OK = Text("revision {revision}, the newest", "리비전 {revision}(최신)")
MIGRATIONS_OLD = Text(
    "revision {revision}; this version needs {head}",
    "리비전 {revision}. 이 버전에는 {head}이(가) 필요합니다",
)
MIGRATIONS_NONE = Text("the tables do not exist", "테이블이 없습니다")
MIGRATIONS_NEWER = Text(
    "revision {revision} of a newer version; this one knows {head}",
    "더 새로운 버전의 리비전 {revision}입니다. 이 버전은 {head}까지 지원합니다",
)
MIGRATIONS_NEWER_ADVICE = Text(
    "Install the newer version, or go back with it: 'coin database downgrade {head}'.",
    "새 버전을 설치하거나, 새 버전에서 'coin database downgrade {head}'로 되돌리십시오.",
)
DAGSTER_TABLES_ADVICE = Text(
    "Stop the platform, make a backup, then run 'dagster instance migrate' with DAGSTER_HOME={home}.",
    "플랫폼을 중지하고 백업한 뒤 DAGSTER_HOME={home}을 지정하여 'dagster instance migrate'를 실행하십시오.",
)
DAGSTER_TABLES_OK = Text(
    "revision {revision}, as Dagster {version} needs", "리비전 {revision}(Dagster {version}에 맞음)"
)
DAGSTER_TABLES_OLD = Text(
    "revision {revision}; Dagster {version} needs {head}",
    "리비전 {revision}. Dagster {version}에는 {head}이(가) 필요합니다",
)
DAGSTER_TABLES_NEWER = Text(
    "revision {revision} of a newer Dagster; version {version} knows {head}",
    "더 새로운 Dagster의 리비전 {revision}입니다. 버전 {version}은 {head}까지 지원합니다",
)
DAGSTER_TABLES_NEWER_ADVICE = Text(
    "Install the version of Dagster that upgraded them; it has no way back but a backup.",
    "테이블을 업그레이드한 Dagster 버전을 설치하십시오. 이전 리비전으로는 백업 복원으로만 되돌릴 수 있습니다.",
)
DAEMON_OK = Text("{count} daemons, last heartbeat {age:.0f} s ago", "데몬 {count}개, 마지막 신호 {age:.0f}초 전")
DAEMON_NEVER = Text("it has never run", "실행된 적이 없습니다")
DAEMON_SILENT = Text(
    "no heartbeat for {age:.0f} s: {names}",
    "{age:.0f}초 동안 신호가 없습니다: {names}",
)
DAEMON_PAUSED = Text(
    "it runs, but schedules, sensors and alerts are stopped since a restore",
    "실행 중이지만 복원 이후 스케줄, 센서, 알림이 중지된 상태입니다",
)
DAEMON_PAUSED_ADVICE = Text("Run 'coin database resume'.", "'coin database resume'을 실행하십시오.")
CODE_OK = Text("responds at {address}", "{address}에서 응답합니다")
CODE_SILENT = Text("no response at {address}", "{address}에서 응답하지 않습니다")
CODE_NEVER = Text("it has never run", "실행된 적이 없습니다")
POOL_OK = Text(
    "responds; {runs} runs in it, {workers} at a time", "정상 응답(실행 {runs}개, 동시 실행 한도 {workers}개)"
)
POOL_UNUSED = Text("not used with COIN_LAUNCHER=dagster", "COIN_LAUNCHER=dagster이므로 사용하지 않습니다")
POOL_SILENT = Text("no response at {socket}", "{socket}에서 응답하지 않습니다")
RAY_UNUSED = Text("not used with COIN_SWEEP_ENGINE=local", "COIN_SWEEP_ENGINE=local이므로 사용하지 않습니다")
RAY_OK = Text(
    "Ray {ray}; nodes with the code of this machine: {nodes}, with {cpus} CPUs",
    "Ray {ray}, 이 서버와 코드가 같은 노드 {nodes}개(CPU {cpus}개)",
)
RAY_MISSING = Text("the package ray is not installed", "ray 패키지가 설치되어 있지 않습니다")
RAY_MISSING_ADVICE = Text(
    "Run \"pip install 'coin-pipeline[ray]'\", or set COIN_SWEEP_ENGINE=local.",
    "\"pip install 'coin-pipeline[ray]'\"를 실행하거나 COIN_SWEEP_ENGINE=local로 지정하십시오.",
)
RAY_MISMATCH_ADVICE = Text(
    "Install the same Python and the same version of Ray here and on every node, then restart Ray ('ray stop', 'ray"
    " start').",
    "이 서버와 모든 노드에 같은 버전의 Python과 Ray를 설치한 뒤 Ray를 다시 시작하십시오('ray stop', 'ray start').",
)
RAY_EMPTY = Text("no node of the cluster at {address} has CPUs", "{address} 클러스터에 CPU가 있는 노드가 없습니다")
RAY_EMPTY_ADVICE = Text(
    "Add a node that has some: 'ray start --address HEAD:PORT' on another machine. A sweep waits a minute for one.",
    "다른 서버에서 'ray start --address HEAD:PORT'를 실행하여 CPU가 있는 노드를 추가하십시오. 스윕은 노드를 1분 동안"
    " 기다립니다.",
)
RAY_FAULTY = Text(
    "{count} of {nodes} nodes cannot evaluate sweeps; {host}: {reason}",
    "노드 {nodes}개 중 {count}개에서 스윕을 계산할 수 없습니다. {host}: {reason}",
)
RAY_FAULTY_ADVICE = Text(
    "Install the locked versions of coin-pipeline and its packages on {host} as on this machine, then restart Ray"
    " there.",
    "{host}에 이 서버와 같은 버전의 coin-pipeline과 패키지를 설치한 뒤 그 노드의 Ray를 다시 시작하십시오.",
)
RAY_SILENT = Text(
    "{count} of {nodes} nodes did not respond within {seconds:.0f} s: {hosts}",
    "노드 {nodes}개 중 {count}개가 {seconds:.0f}초 안에 응답하지 않았습니다: {hosts}",
)
RAY_SILENT_ADVICE = Text(
    "Run 'coin doctor' again: a busy node takes long to load the code. If it stays silent, see 'ray status' and restart"
    " Ray on it.",
    "'coin doctor'를 다시 실행하십시오. 부하가 높은 노드는 코드를 불러오는 데 오래 걸립니다. 계속 응답하지 않으면 'ray"
    " status'를 확인하고 해당 노드의 Ray를 다시 시작하십시오.",
)
SERVER_OK = Text("responds at {url}, version {version}", "{url}에서 응답합니다(버전 {version})")
SERVER_RESPONDS = Text("responds at {url}", "{url}에서 응답합니다")
SERVER_REFUSES = Text(
    "responds at {url}, but refuses COIN_TOKEN",
    "{url}에서 응답하지만 COIN_TOKEN을 거부합니다",
)
SERVER_REFUSES_ADVICE = Text(
    "Set COIN_TOKEN to a usable token ('coin token list'), or remove it.",
    "COIN_TOKEN에 사용 가능한 토큰('coin token list')을 지정하거나 설정을 삭제하십시오.",
)
SERVER_ABSENT = Text(
    "nothing listens at {url}: {reason}",
    "{url}에서 응답하는 프로그램이 없습니다: {reason}",
)
SERVER_FOREIGN = Text(
    "another program uses {url}: it answered {answer}",
    "다른 프로그램이 {url}을(를) 사용하고 있습니다(응답: {answer})",
)
SERVER_FOREIGN_ADVICE = Text(
    "End the other program, or choose another port ('coin up --api-port', '--ui-port'), and name it here with"
    " COIN_API_URL or COIN_UI_URL.",
    "다른 프로그램을 종료하거나 'coin up --api-port', '--ui-port'로 다른 포트를 지정하고, 점검할 때 COIN_API_URL이나"
    " COIN_UI_URL로 그 주소를 알려 주십시오.",
)
SERVER_OTHER_VERSION = Text(
    "version {version} runs at {url}, but {installed} is installed",
    "{url}에서 버전 {version}이(가) 실행 중이지만 설치된 버전은 {installed}입니다",
)
SERVER_OTHER_VERSION_ADVICE = Text("Restart the platform.", "플랫폼을 다시 시작하십시오.")

# Stores, channels, backups.
STORE_OK = Text("{uri}: put, read, list and delete work", "{uri}: 쓰기, 읽기, 목록 조회, 삭제 정상")
STORE_FAILED = Text("{uri}: {step} failed: {reason}", "{uri}: {step} 실패: {reason}")
STORE_UNTESTED = Text("{path} does not exist yet", "{path}가 아직 없습니다")
CHANNEL_UNSET = Text("not set up, so no alert is sent by it", "설정되지 않아 알림을 보내지 않습니다")
CHANNEL_NONE = Text(
    "neither Slack nor mail is set up, so no operator is notified of failures",
    "Slack과 메일이 모두 설정되지 않아 장애 알림이 전송되지 않습니다",
)
CHANNEL_NONE_ADVICE = Text(
    "Set SLACK_WEBHOOK_URL or SMTP_HOST with EMAIL_TO (docs/alerts.md).",
    "SLACK_WEBHOOK_URL을 지정하거나 SMTP_HOST와 EMAIL_TO를 지정하십시오(docs/alerts.md).",
)
MAIL_OK = Text("{server} accepts the login; nothing was sent", "{server} 접속 정상(메일은 보내지 않음)")
SLACK_OK = Text(
    "{server} responds; only a message shows whether the webhook is valid",
    "{server} 응답 정상(웹훅 유효 여부는 메시지를 보내야 확인됨)",
)
CHANNEL_SENT = Text("a test message was delivered", "테스트 메시지를 전송했습니다")
CHANNEL_FAILED = Text("{reason}", "{reason}")
TEST_TITLE = Text("Test by 'coin doctor'", "'coin doctor' 테스트")
TEST_MESSAGE = Text(
    "This message was sent by 'coin doctor --send'. Nothing has happened.",
    "'coin doctor --send' 명령으로 보낸 테스트 메시지입니다. 실제 장애가 아닙니다.",
)
BACKUP_OK = Text("{at} UTC, {hours:.0f} hours ago, in {location}", "{at}(UTC), {hours:.0f}시간 전, {location}")
BACKUP_NONE = Text("none yet in {location}", "{location}에 아직 백업이 없습니다")
BACKUP_OLD = Text(
    "the last complete one is {hours:.0f} hours old ({at} UTC)",
    "마지막으로 완료된 백업이 {hours:.0f}시간 전({at} UTC)의 것입니다",
)
BACKUP_OFF = Text(
    "COIN_BACKUP_SCHEDULE=off, so none is made at night",
    "COIN_BACKUP_SCHEDULE=off이므로 야간 백업을 하지 않습니다",
)
BACKUP_OFF_ADVICE = Text(
    "Set COIN_BACKUP_SCHEDULE=on, unless another scheduler runs 'coin backup run' and 'coin backup drill'.",
    "다른 스케줄러에서 'coin backup run'과 'coin backup drill'을 실행하지 않는다면 COIN_BACKUP_SCHEDULE=on으로"
    " 지정하십시오.",
)
BACKUP_SAME_DISK = Text(
    "{at} UTC, but {location} is on the disk of the data and is lost with it",
    "{at}(UTC). {location}이(가) 데이터와 같은 디스크에 있어 디스크가 고장 나면 함께 사라집니다",
)
BACKUP_SAME_DISK_ADVICE = Text(
    "Set COIN_BACKUP_LOCATION to another disk or to s3://bucket/prefix.",
    "COIN_BACKUP_LOCATION에 다른 디스크나 s3://bucket/prefix를 지정하십시오.",
)
BACKUP_NEWEST_FAILED = Text(
    "the newest one is not good: {reason}",
    "가장 최근 백업이 정상이 아닙니다: {reason}",
)
DRILL_OK = Text("{at} UTC, {hours:.0f} hours ago", "{at}(UTC), {hours:.0f}시간 전")
DRILL_NONE = Text("no backup has been proven yet", "아직 검증된 백업이 없습니다")
DRILL_OLD = Text("{at} UTC, {hours:.0f} hours ago", "{at}(UTC), {hours:.0f}시간 전")
DRILL_FAILED = Text("the last one failed: {reason}", "마지막 복원 검증이 실패했습니다: {reason}")

# Access and candles.
ACCESS_LOCAL = Text(
    "only this machine reaches {address}; {tokens} usable tokens",
    "이 서버에서만 {address}에 접속할 수 있습니다(사용 가능한 토큰 {tokens}개)",
)
ACCESS_REQUIRED = Text(
    "only this machine reaches {address}; COIN_AUTH=on requires tokens; usable: {tokens}",
    "이 서버에서만 {address}에 접속할 수 있으며 COIN_AUTH=on이므로 토큰이 필요합니다(사용 가능한 토큰 {tokens}개)",
)
ACCESS_EXPOSED = Text(
    "other machines reach {address}; tokens are required; usable: {tokens}",
    "다른 서버에서 {address}에 접속할 수 있으며 토큰이 필요합니다(사용 가능한 토큰 {tokens}개)",
)
ACCESS_NO_TOKEN = Text(
    "tokens are required at {address}, but there is none, so the servers do not start",
    "{address}에는 토큰이 필요하지만 사용 가능한 토큰이 없어 서버가 시작되지 않습니다",
)
ACCESS_UNKNOWN = Text(
    "tokens are required at {address}; whether there is one is unknown, since the database is not running",
    "{address}에는 토큰이 필요하지만 데이터베이스가 실행되고 있지 않아 토큰을 확인할 수 없습니다",
)
ACCESS_UNLIMITED = Text(
    "other machines reach {address}, and COIN_RATE_LIMIT=0 limits no token",
    "다른 서버에서 {address}에 접속할 수 있지만 COIN_RATE_LIMIT=0이므로 요청 속도 제한이 없습니다",
)
ACCESS_UNLIMITED_ADVICE = Text("Set COIN_RATE_LIMIT.", "COIN_RATE_LIMIT을 지정하십시오.")
CANDLES_OK = Text(
    "{series} series of {symbols} markets, the newest candle of {newest} UTC",
    "종목 {symbols}개, 시계열 {series}개, 최신 캔들 {newest}(UTC)",
)
CANDLES_NONE = Text("none are stored", "저장된 캔들이 없습니다")
CANDLES_NONE_ADVICE = Text(
    "Fetch some: 'coin candles get BTC_KRW --from 2024-01-01', or import files: 'coin candles import'.",
    "'coin candles get BTC_KRW --from 2024-01-01'로 수집하거나 'coin candles import'로 파일을 가져오십시오.",
)
CANDLES_DAMAGED = Text("{count} files cannot be read; {first}", "읽을 수 없는 파일 {count}개: {first}")
CANDLES_STALE = Text(
    "ENABLE_SCHEDULER=true, but the newest candle is of {newest} UTC",
    "ENABLE_SCHEDULER=true이지만 최신 캔들이 {newest}(UTC)의 것입니다",
)
CANDLES_STALE_ADVICE = Text(
    "Look at the runs of the job 'refresh_candles' in the Dagster UI; 'coin candles get' collects what is missing.",
    "Dagster UI에서 'refresh_candles' 작업의 실행 기록을 확인하고 'coin candles get'으로 누락된 캔들을 수집하십시오.",
)
