#!/bin/sh
# Report: what the inventory and the policy found, counted, for programs and for people.
#
# Reads   $EVLOG_RUN_DIR/inventory/dependencies.jsonl and policy/findings.jsonl.
# Writes  $EVLOG_STAGING_DIR/report/report.json and report/report.md.
set -eu
LC_ALL=C
export LC_ALL

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$EVLOG_STAGING_DIR/report"

for member in licence source use; do
    awk -f stages/json.awk -f stages/count.awk -v member="$member" "$EVLOG_RUN_DIR/inventory/dependencies.jsonl" >"$work/counts"
    sort "$work/counts" >"$work/$member"
done
awk -f stages/json.awk -f stages/report.awk -v json="$EVLOG_STAGING_DIR/report/report.json" \
    list=licence "$work/licence" list=source "$work/source" list=use "$work/use" \
    list=findings "$EVLOG_RUN_DIR/policy/findings.jsonl" >"$EVLOG_STAGING_DIR/report/report.md"
echo "report: report/report.json, report/report.md"
