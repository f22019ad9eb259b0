#!/bin/sh
# Create .env for docker-compose.yml from .env.sample, with random passwords. What .env contains already is kept, and no
# password is created for a server that .env replaces by another: keys of the stack's S3 server would hide a role on AWS.
set -eu
cd "$(dirname "$0")/.."
file=${1:-.env}

umask 077 # .env contains secrets
[ -e "$file" ] || cp .env.sample "$file"
chmod 600 "$file"
[ -z "$(tail -c 1 "$file")" ] || echo >> "$file"

random() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }
has() { grep -q "^$1" "$file"; }
add() { # NAME VALUE
  echo "$1=$2" >> "$file" # the last line counts, so an empty value above it does not
  echo "$file: added $1"
}
has COMPOSE_PROFILES= || add COMPOSE_PROFILES worker
has POSTGRES_PASSWORD=. || has DATABASE_URL=. || add POSTGRES_PASSWORD "$(random 24)"
if ! has AWS_ACCESS_KEY_ID=. && ! has AWS_ENDPOINT_URL= && ! has 'COMPOSE_FILE=.*compose\.aws\.yml'; then
  add AWS_ACCESS_KEY_ID "$(random 10)"
  add AWS_SECRET_ACCESS_KEY "$(random 24)"
fi
