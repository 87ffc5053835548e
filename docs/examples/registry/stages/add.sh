# The sum of what was measured.
set -eu
mkdir -p "$EVLOG_STAGING_DIR/summed"
total=$(sed 's/.*"count":\([0-9]*\).*/\1/' "$EVLOG_RUN_DIR/measured/texts.jsonl" | awk '{ sum += $1 } END { print sum }')
printf '{"contract_version":"1.0.0","total":%d}' "$total" >"$EVLOG_STAGING_DIR/summed/total.json"
