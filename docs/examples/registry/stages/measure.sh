# The length of every text, a line of JSON each; and of each text its words, in a file of their own.
set -eu
out="$EVLOG_STAGING_DIR/measured"
mkdir -p "$out/words"
for text in texts/*.txt; do
    name=$(basename "$text" .txt)
    count=$(wc -w <"$text")
    printf '{"contract_version":"1.1.0","count":%d,"text":"%s","unit":"%s"}\n' "$count" "$name" "${UNIT:-words}"
    {
        printf '{"contract_version":"1.0.0","words":['
        tr -s ' ' '\n' <"$text" | sort -u | awk 'NF { printf "%s\"%s\"", between, $0; between = "," }'
        printf ']}'
    } >"$out/words/$name.json"
done >"$out/texts.jsonl"
