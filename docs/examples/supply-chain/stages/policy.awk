# Reads the allowed licences, then the inventory; writes findings, summary and substage outcomes.
# Rules: licences and sources deny; duplicates only note, since two versions of a package are no breach.

BEGIN {
    printf "" >findings
    printf "" >outcomes
    denied["licences"] = denied["sources"] = noted = 0
}

FNR == NR {
    sub(/#.*/, "")
    sub(/[ \t]+$/, "")
    if ($0 != "")
        allowed[$0] = 1
    next
}

{
    name = json_member($0, "name")
    package = name " " json_member($0, "version")
    licence = json_member($0, "licence")
    source = json_member($0, "source")
    checked++
    # Our own packages are ours to license; everything else must come with a licence that is allowed.
    if (source != "path" && licence == "")
        deny("licences", package, "expected a licence, found none")
    else if (source != "path" && !licence_allowed(licence))
        deny("licences", package, "expected an allowed licence, found `" licence "`")
    if (source != "path" && source != "crates-io")
        deny("sources", package, "expected a package from crates.io or this workspace, found source `" source "`")
    # Versions of a package follow one another, since the inventory is ordered.
    if (name == before)
        note("duplicates", package, "another version of `" name "` is locked as well")
    before = name
}

END {
    close(findings)
    write_summary()
    outcome("policy.licences", denied["licences"], "licence_denied")
    outcome("policy.sources", denied["sources"], "source_denied")
    printf "policy: %d packages, %d denied, %d notes\n", checked, denied["licences"] + denied["sources"], noted
    exit denied["licences"] ? 3 : denied["sources"] ? 4 : 0
}

function deny(rule, package, message) {
    denied[rule]++
    finding("denied", rule, package, message)
    print "policy: denied: " package ": " message
}

function note(rule, package, message) {
    noted++
    finding("note", rule, package, message)
}

function finding(level, rule, package, message) {
    print "{\"dependency\":" json_string(package) ",\"level\":\"" level "\",\"message\":" json_string(message) \
        ",\"rule\":\"" rule "\"}" >>findings
}

function write_summary() {
    printf "{\"checked\":%d,\"denied\":{\"licences\":%d,\"sources\":%d},\"notes\":%d}", \
        checked, denied["licences"], denied["sources"], noted >summary
}

function outcome(substage, count, code) {
    if (count == 0)
        print "{\"stage\":\"" substage "\",\"status\":\"success\",\"fail_mode\":\"warn_and_skip\"}" >>outcomes
    else
        print "{\"stage\":\"" substage "\",\"status\":\"failed\",\"fail_mode\":\"warn_and_skip\",\"reason_code\":\"" code "\"}" >>outcomes
}
