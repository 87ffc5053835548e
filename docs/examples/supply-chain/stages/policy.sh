#!/bin/sh
# Policy: is every dependency one that we may ship?
#
# Reads   $EVLOG_RUN_DIR/inventory/dependencies.jsonl, and the allowed licences, one a line, from the file $LICENCES.
# Writes  $EVLOG_STAGING_DIR/policy/findings.jsonl and policy/summary.json; the outcomes of the substages
#         policy.licences and policy.sources to $EVLOG_OUTCOMES.
# Exits   0; 3 when a licence is denied; 4 when only a source is denied. What was found is written either way.
set -eu
LC_ALL=C
export LC_ALL

mkdir -p "$EVLOG_STAGING_DIR/policy"
awk -f stages/json.awk -f stages/licence.awk -f stages/policy.awk \
    -v findings="$EVLOG_STAGING_DIR/policy/findings.jsonl" \
    -v summary="$EVLOG_STAGING_DIR/policy/summary.json" \
    -v outcomes="$EVLOG_OUTCOMES" \
    "$LICENCES" "$EVLOG_RUN_DIR/inventory/dependencies.jsonl"
