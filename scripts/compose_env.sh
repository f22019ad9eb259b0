#!/bin/sh
# Create .env for docker-compose.yml from .env.sample, with random passwords. What .env contains already is kept.
set -eu
cd "$(dirname "$0")/.."
file=${1:-.env}

umask 077 # .env contains secrets
[ -e "$file" ] || cp .env.sample "$file"
chmod 600 "$file"
[ -z "$(tail -c 1 "$file")" ] || echo >> "$file"

random() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }
add() { # NAME VALUE [PATTERN of a value that is kept]
  grep -q "^$1=${3:-}" "$file" || { echo "$1=$2" >> "$file"; echo "$file: added $1"; }
}
add COMPOSE_PROFILES worker
add POSTGRES_PASSWORD "$(random 24)" . # Compose refuses an empty one; the last line counts
add AWS_ACCESS_KEY_ID "$(random 10)"
add AWS_SECRET_ACCESS_KEY "$(random 24)"
