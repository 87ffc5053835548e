# Joins what cargo says with the lock file. `list` says what is being read.
# Prints name, version and one JSON object for each package of the lock file, separated by tabs.

# `cargo metadata`, cut before each brace: a package is a line that begins with its name, version and id.
list == "packages" && /^"name":"[^"]*","version":"[^"]*","id":"/ {
    licences[json_member($0, "name") " " json_member($0, "version")] = json_member($0, "license")
}

# `cargo tree`: `name v1.2.3 (more)|licence`, with ` (*)` after it when the package was printed before.
list == "build" || list == "program" {
    sub(/ \(\*\)$/, "")
    bar = match($0, /\|[^|]*$/)
    split(substr($0, 1, bar - 1), words, " ")
    package = words[1] " " substr(words[2], 2)
    used[list, package] = 1
    if (!(package in licences))
        licences[package] = substr($0, bar + 1)
}

# The lock file: tables `[[package]]` with one key a line.
list == "lock" && /^\[/ { flush(); in_package = ($0 == "[[package]]") }
list == "lock" && in_package && /^(name|version|source|checksum) = "/ {
    key = $1
    sub(/^[a-z]+ = "/, "")
    sub(/"$/, "")
    fields[key] = $0
}
END { flush() }

# Prints the package that has just been read. One that cargo did not name is not on this machine; of a lock file that
# is not the workspace's, cargo knows nothing, and every package is printed.
function flush(    package) {
    package = fields["name"] " " fields["version"]
    if (in_package && ((package in licences) || ENVIRON["LOCK_FILE"] != ""))
        print fields["name"] "\t" fields["version"] "\t" object(package)
    split("", fields)
}

function object(package) {
    return "{\"checksum\":" json_or_null(fields["checksum"]) ",\"licence\":" json_or_null(licences[package]) \
        ",\"name\":" json_string(fields["name"]) ",\"source\":\"" source_kind(fields["source"]) \
        "\",\"use\":\"" use_of(package) "\",\"version\":" json_string(fields["version"]) "}"
}

function source_kind(source) {
    if (source == "")
        return "path"
    if (source == "registry+https://github.com/rust-lang/crates.io-index")
        return "crates-io"
    return source ~ /^git[+]/ ? "git" : "registry"
}

# What a package is for: part of the program, needed to build it, or anything else (tests, measurements, other platforms).
function use_of(package) {
    if (("program", package) in used)
        return "program"
    return (("build", package) in used) ? "build" : "other"
}
