#!/bin/sh
# Import a Debian system as the base image of the Dockerfile, for machines that reach Debian's mirrors but no registry.
# Usage: base.sh IMAGE CACHE_FILE
set -eu
image=$1 cache=$2

if [ ! -e "$cache" ]; then
  root=$(mktemp -d)
  trap 'rm -rf "$root"' EXIT
  debootstrap --variant=minbase --include=python3.11,python3.11-venv,python3-pip,ca-certificates,busybox-static \
    bookworm "$root" > "$cache.log" 2>&1 || { tail -20 "$cache.log" >&2; exit 1; }
  ln -sf python3.11 "$root/usr/bin/python"
  ln -sf /bin/busybox "$root/usr/bin/wget"
  # What this machine needs to reach the package index.
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  [ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/pip.conf"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  tar -C "$root" -cf "$cache.tmp" .
  mv "$cache.tmp" "$cache"
fi
docker import - "$image" < "$cache" > /dev/null
