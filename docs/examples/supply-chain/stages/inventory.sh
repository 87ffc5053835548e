#!/bin/sh
# Inventory: every package of the lock file, with licence, checksum, kind of source, and what it is used for.
#
# Reads   Cargo.lock, `cargo metadata` and `cargo tree`. Nothing is built.
# Writes  $EVLOG_STAGING_DIR/inventory/dependencies.jsonl, ordered by name and version.
# Exits   0; 4 when a package from a registry has no checksum; 1 when cargo cannot answer.
# LOCK_FILE, if set, names another lock file than the workspace's, relative to the plan.
set -eu
LC_ALL=C
export LC_ALL

cargo=${CARGO:-cargo}
manifest=$("$cargo" locate-project --workspace --message-format plain)
lock=${LOCK_FILE:-${manifest%Cargo.toml}Cargo.lock}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What cargo knows of every package, one JSON object a line as far as its licence.
metadata() {
    "$cargo" metadata --manifest-path "$manifest" --locked --format-version 1 --color never "$@" >"$work/metadata" 2>>"$work/talk"
}

# What is built for the program: one line a package, `name v1.2.3 (more)|licence`.
tree() {
    "$cargo" tree --manifest-path "$manifest" --locked --offline --color never --prefix none --format '{p}|{l}' "$@" 2>>"$work/talk"
}

# A build fetches only what this machine needs for the program. What is missing of the rest is fetched here; where that
# cannot be done, what the program is built from must do.
if metadata --offline; then
    scope="every package of the lock file"
elif CARGO_NET_RETRY=0 CARGO_HTTP_TIMEOUT=10 metadata; then
    scope="every package of the lock file, some just fetched"
else
    : >"$work/metadata"
    scope="the packages that the program is built from; the others are not on this machine and could not be fetched"
fi
if ! tree --edges normal,build >"$work/build" || ! tree --edges normal,no-proc-macro >"$work/program"; then
    cat "$work/talk" >&2
    exit 1
fi
tr '{' '\n' <"$work/metadata" >"$work/packages"

mkdir -p "$EVLOG_STAGING_DIR/inventory"
awk -f stages/json.awk -f stages/inventory.awk \
    list=packages "$work/packages" list=build "$work/build" list=program "$work/program" list=lock "$lock" >"$work/lines"
sort "$work/lines" | cut -f 3- >"$EVLOG_STAGING_DIR/inventory/dependencies.jsonl"
echo "inventory: $(sed -n '$=' "$work/lines") packages: $scope"

sort "$work/lines" | sed -n '/"checksum":null.*"source":"\(crates-io\|registry\)"/s/	\([^	]*\)	.*/ \1/p' >"$work/unchecked"
if [ -s "$work/unchecked" ]; then
    echo "inventory: expected a checksum for every package from a registry; $lock has none for:" >&2
    cat "$work/unchecked" >&2
    exit 4
fi
