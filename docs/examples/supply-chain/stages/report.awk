# Reads the counts and the findings; prints the report in Markdown, and writes it as JSON to the file `json`.
# `list` says what is being read: counts of one member, `value<TAB>count` a line in order, or findings.

list != "findings" {
    split($0, pair, "\t")
    text[list] = text[list] (text[list] == "" ? "" : ",") entry(list, pair[1], pair[2])
    rows[list] = rows[list] "| " cell(pair[1]) " | " pair[2] " |\n"
    if (list == "use")
        dependencies += pair[2]
}

list == "findings" {
    level = json_member($0, "level")
    count[level]++
    lines[level] = lines[level] "- `" json_member($0, "dependency") "`: " json_member($0, "message") "\n"
}

END {
    printf "{\"denied\":%d,\"dependencies\":%d,\"licences\":[%s],\"notes\":%d,\"sources\":{%s},\"uses\":{%s}}", \
        count["denied"], dependencies, text["licence"], count["note"], text["source"], text["use"] >json
    printf "# Supply chain\n\n%d dependencies, %d denied, %d notes.\n", dependencies, count["denied"], count["note"]
    section("Denied", lines["denied"])
    section("Notes", lines["note"])
    section("Licences", "| licence | dependencies |\n| --- | ---: |\n" rows["licence"])
    section("Sources", "| source | dependencies |\n| --- | ---: |\n" rows["source"])
    section("Uses", "| use | dependencies |\n| --- | ---: |\n" rows["use"])
}

# Licences are free text: a list of objects. Sources and uses are closed sets: an object.
function entry(member, value, number) {
    if (member == "licence")
        return "{\"count\":" number ",\"licence\":" json_string(value) "}"
    return json_string(value) ":" number
}

function section(title, body) {
    printf "\n## %s\n\n%s", title, body == "" ? "None.\n" : body
}

function cell(value) {
    gsub(/\|/, "\\|", value)
    return value
}
