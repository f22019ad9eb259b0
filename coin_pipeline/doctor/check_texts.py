"""Titles of the checks, and what to do if one fails whose finding has no advice of its own, in both languages."""

from coin_pipeline.languages import Text

START = Text(
    "Start the platform: 'coin up', or 'docker compose up -d'. If it runs, see DATA_ROOT/logs, or 'docker compose"
    " logs'.",
    "'coin up' 또는 'docker compose up -d'로 플랫폼을 시작하십시오. 이미 실행 중이라면 DATA_ROOT/logs나 'docker compose"
    " logs'에서 원인을 확인하십시오.",
)
SETTINGS = Text("Settings", "설정")
SETTINGS_ADVICE = Text(
    "Correct the variable, in the environment or in .env; docs/settings.md describes each one.",
    "환경 변수나 .env에서 해당 설정을 수정하십시오. 각 설정은 docs/settings.md에 설명되어 있습니다.",
)
VERSIONS = Text("Versions", "버전")
VERSIONS_ADVICE = Text(
    "Install the locked versions: 'make', or 'pip install -r requirements.lock', or build the image again.",
    "고정된 버전을 설치하십시오('make' 또는 'pip install -r requirements.lock', 컨테이너는 이미지 재빌드).",
)
CLOCK = Text("Clock", "시계")
CLOCK_ADVICE = Text(
    "Synchronise the clock of this machine and of the others, for example with chrony or systemd-timesyncd; in a"
    " container, that of the host.",
    "이 서버와 다른 서버의 시계를 chrony나 systemd-timesyncd 등으로 동기화하십시오. 컨테이너에서는 호스트의 시계를"
    " 동기화해야 합니다.",
)
ZONE = Text("Time zone", "시간대")
ZONE_ADVICE = Text(
    "Install the time zone data: 'pip install tzdata', or the system's package tzdata.",
    "시간대 데이터를 설치하십시오. 'pip install tzdata'를 실행하거나 시스템의 tzdata 패키지를 설치하십시오.",
)
DISK = Text("Disk", "디스크")
DISK_ADVICE = Text(
    "Free space: 'coin retention' removes expired tasks, 'coin backup cleanup' old backups, 'coin storage usage' shows"
    " what takes the most.",
    "공간을 확보하십시오. 'coin retention'은 만료된 작업을, 'coin backup cleanup'은 오래된 백업을 삭제하며,"
    " 'coin storage usage'로 사용량을 확인할 수 있습니다.",
)
DATA_ROOT = Text("Data folder", "데이터 디렉터리")
DATA_ROOT_ADVICE = Text(
    "Give the folder to the account that runs coin (chown), or set DATA_ROOT to another one.",
    "coin을 실행하는 계정에 디렉터리 소유권을 주거나(chown) DATA_ROOT를 다른 디렉터리로 지정하십시오.",
)
DATABASE = Text("Database", "데이터베이스")
DATABASE_ADVICE = Text(
    "Check the server that DATABASE_URL names; the log of the embedded one is DATA_ROOT/postgres/server.log.",
    "DATABASE_URL의 서버를 확인하십시오. 내장 서버의 로그는 DATA_ROOT/postgres/server.log에 있습니다.",
)
MIGRATIONS = Text("Tables", "테이블 스키마")
MIGRATIONS_ADVICE = Text(
    "Run 'coin database upgrade', after a backup.",
    "백업한 뒤 'coin database upgrade'를 실행하십시오.",
)
DAGSTER_TABLES = Text("Dagster's tables", "Dagster 테이블")
DAEMON = Text("Daemon", "데몬")
CODE = Text("Code location", "코드 서버")
POOL = Text("Worker pool", "워커 풀")
API = Text("API", "API")
UI = Text("Dagster UI", "Dagster UI")
RAY = Text("Ray cluster", "Ray 클러스터")
RAY_ADVICE = Text(
    "Make this machine a node of the cluster ('ray start --address HEAD:PORT') and let COIN_RAY_ADDRESS be the address"
    " of its head, or set COIN_SWEEP_ENGINE=local (docs/scaling.md).",
    "이 서버를 클러스터의 노드로 추가하고('ray start --address HEAD:PORT') COIN_RAY_ADDRESS에 헤드의 주소를"
    " 지정하십시오. Ray를 사용하지 않으려면 COIN_SWEEP_ENGINE=local로 지정하십시오(docs/scaling.md).",
)
STORE = Text("Object store", "결과 저장소")
STORE_ADVICE = Text(
    "'coin storage check' tries each operation; docs/operations.md explains each message.",
    "'coin storage check'로 단계별로 확인하십시오. 메시지별 설명은 docs/operations.md에 있습니다.",
)
MAIL = Text("Mail", "메일 알림")
SLACK = Text("Slack", "Slack 알림")
CHANNEL_ADVICE = Text(
    "Correct the settings SMTP_*, EMAIL_* or SLACK_*, or set EMAIL_ENABLED or SLACK_ENABLED to false; 'coin alerts"
    " test' sends a message.",
    "SMTP_*, EMAIL_*, SLACK_* 설정을 수정하거나 EMAIL_ENABLED 또는 SLACK_ENABLED를 false로 지정하십시오. 'coin alerts"
    " test'로 메시지를 보내 볼 수 있습니다.",
)
BACKUP = Text("Last backup", "최근 백업")
BACKUP_ADVICE = Text(
    "Run 'coin backup run'; docs/backups.md describes where backups are stored.",
    "'coin backup run'을 실행하십시오. 백업 위치는 docs/backups.md에 설명되어 있습니다.",
)
DRILL = Text("Last proven restore", "최근 복원 검증")
DRILL_ADVICE = Text("Run 'coin backup drill'.", "'coin backup drill'을 실행하십시오.")
ACCESS = Text("Access", "접근 제어")
ACCESS_ADVICE = Text(
    "Create a token: 'coin token create NAME --scope admin' (docs/security.md).",
    "'coin token create NAME --scope admin'으로 토큰을 만드십시오(docs/security.md).",
)
CANDLES = Text("Candles", "캔들")
CANDLES_ADVICE = Text(
    "'coin candles check' lists every finding; fetch or import those candles again.",
    "'coin candles check'로 문제를 모두 확인하고 해당 캔들을 다시 수집하거나 가져오십시오.",
)
