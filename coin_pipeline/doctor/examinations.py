"""All checks, in the order in which they are printed."""

from coin_pipeline.doctor import access, channels, machine, services, stores, texts
from coin_pipeline.doctor.model import Examination

EXAMINATIONS = (
    Examination("settings", texts.SETTINGS, machine.settings, texts.SETTINGS_ADVICE),
    Examination("versions", texts.VERSIONS, machine.versions, texts.VERSIONS_ADVICE),
    Examination("clock", texts.CLOCK, machine.clock, texts.CLOCK_ADVICE),
    Examination("time_zone", texts.ZONE, machine.time_zone, texts.ZONE_ADVICE),
    Examination("data_root", texts.DATA_ROOT, machine.data_root, texts.DATA_ROOT_ADVICE),
    Examination("disk", texts.DISK, machine.disk, texts.DISK_ADVICE),
    Examination("database", texts.DATABASE, services.database, texts.DATABASE_ADVICE),
    Examination("migrations", texts.MIGRATIONS, services.migrations, texts.MIGRATIONS_ADVICE),
    Examination("dagster_tables", texts.DAGSTER_TABLES, services.dagster_tables, texts.START),
    Examination("code_location", texts.CODE, services.code_location, texts.START),
    Examination("worker_pool", texts.POOL, services.worker_pool, texts.START),
    Examination("daemon", texts.DAEMON, services.daemon, texts.START),
    Examination("api", texts.API, services.api, texts.START),
    Examination("dagster_ui", texts.UI, services.dagster_ui, texts.START),
    Examination("access", texts.ACCESS, access.access, texts.ACCESS_ADVICE),
    Examination("object_store", texts.STORE, stores.object_store, texts.STORE_ADVICE),
    Examination("candles", texts.CANDLES, stores.candles, texts.CANDLES_ADVICE),
    Examination("backup", texts.BACKUP, stores.backup, texts.BACKUP_ADVICE),
    Examination("restore_drill", texts.DRILL, stores.restore_drill, texts.DRILL_ADVICE),
    Examination("slack", texts.SLACK, channels.slack, texts.CHANNEL_ADVICE),
    Examination("mail", texts.MAIL, channels.mail, texts.CHANNEL_ADVICE),
)
