"""All checks, in the order in which they are printed."""

from coin_pipeline.doctor import access, channels, check_texts, cluster, machine, services, stores
from coin_pipeline.doctor.model import Examination

EXAMINATIONS = (
    Examination("settings", check_texts.SETTINGS, machine.settings, check_texts.SETTINGS_ADVICE),
    Examination("versions", check_texts.VERSIONS, machine.versions, check_texts.VERSIONS_ADVICE),
    Examination("clock", check_texts.CLOCK, machine.clock, check_texts.CLOCK_ADVICE),
    Examination("time_zone", check_texts.ZONE, machine.time_zone, check_texts.ZONE_ADVICE),
    Examination("data_root", check_texts.DATA_ROOT, machine.data_root, check_texts.DATA_ROOT_ADVICE),
    Examination("disk", check_texts.DISK, machine.disk, check_texts.DISK_ADVICE),
    Examination("database", check_texts.DATABASE, services.database, check_texts.DATABASE_ADVICE),
    Examination("migrations", check_texts.MIGRATIONS, services.migrations, check_texts.MIGRATIONS_ADVICE),
    Examination("dagster_tables", check_texts.DAGSTER_TABLES, services.dagster_tables, check_texts.START),
    Examination("code_location", check_texts.CODE, services.code_location, check_texts.START),
    Examination("worker_pool", check_texts.POOL, services.worker_pool, check_texts.START),
    Examination("ray_cluster", check_texts.RAY, cluster.ray_cluster, check_texts.RAY_ADVICE),
    Examination("daemon", check_texts.DAEMON, services.daemon, check_texts.START),
    Examination("api", check_texts.API, services.api, check_texts.START),
    Examination("dagster_ui", check_texts.UI, services.dagster_ui, check_texts.START),
    Examination("access", check_texts.ACCESS, access.access, check_texts.ACCESS_ADVICE),
    Examination("object_store", check_texts.STORE, stores.object_store, check_texts.STORE_ADVICE),
    Examination("candles", check_texts.CANDLES, stores.candles, check_texts.CANDLES_ADVICE),
    Examination("backup", check_texts.BACKUP, stores.backup, check_texts.BACKUP_ADVICE),
    Examination("restore_drill", check_texts.DRILL, stores.restore_drill, check_texts.DRILL_ADVICE),
    Examination("slack", check_texts.SLACK, channels.slack, check_texts.CHANNEL_ADVICE),
    Examination("mail", check_texts.MAIL, channels.mail, check_texts.CHANNEL_ADVICE),
)
