#!/usr/bin/env bash
# Back up, prove and restore: a few lines over 'coin backup'. Run it in the folder that has .env.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
coin=$here/../.venv/bin/coin
[ -x "$coin" ] || coin=coin

usage() {
  cat <<'TEXT'
Usage: scripts/backup.sh COMMAND [OPTION...]

  all                back up everything
  postgresql         back up the database: Dagster's records, positions, forward tests
  results, s3        back up results and tasks, from DATA_ROOT or the bucket
  redis              explain what took its place
  verify [SET]       read a backup and compare it with its checksums
  restore SET        restore a backup; see 'coin backup restore --help'
  cleanup            remove backups older than BACKUP_RETENTION_DAYS; --dry-run only lists them
  stats              show how much is stored, and when it was last proven
TEXT
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
  all) exec "$coin" backup run "$@" ;;
  postgresql) exec "$coin" backup run --target postgresql "$@" ;;
  results | s3) exec "$coin" backup run --target results --target tasks "$@" ;;
  redis)
    echo "Redis is no longer used, so there is nothing to back up: queued runs are in PostgreSQL and part of its backup."
    echo "To back it up: scripts/backup.sh postgresql"
    ;;
  verify | restore | cleanup | stats) exec "$coin" backup "$command" "$@" ;;
  help | -h | --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
