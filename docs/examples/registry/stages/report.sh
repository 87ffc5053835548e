# The report: the sum, and of how many texts it is; the same for people.
set -eu
mkdir -p "$EVLOG_STAGING_DIR/report"
texts=$(wc -l <"$EVLOG_RUN_DIR/measured/texts.jsonl")
total=$(sed 's/.*"total":\([0-9]*\).*/\1/' "$EVLOG_RUN_DIR/summed/total.json")
printf '{"contract_version":"1.0.0","texts":%d,"total":%d}' "$texts" "$total" >"$EVLOG_STAGING_DIR/report/report.json"
printf '%d words in %d texts\n' "$total" "$texts" >"$EVLOG_STAGING_DIR/report/summary.md"
