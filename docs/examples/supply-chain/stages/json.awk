# JSON in and out, for the other awk programs here. Strings are written as RFC 8785 asks: the short escapes where there
# are any, \u00xx for the other control characters, everything else as it is. Works in any POSIX awk.

BEGIN {
    for (json_n = 1; json_n < 32; json_n++)
        json_escapes[sprintf("%c", json_n)] = sprintf("\\u%04x", json_n)
    json_escapes["\b"] = "\\b"
    json_escapes["\t"] = "\\t"
    json_escapes["\n"] = "\\n"
    json_escapes["\f"] = "\\f"
    json_escapes["\r"] = "\\r"
    json_escapes["\""] = "\\\""
    json_escapes["\\"] = "\\\\"
}

# A JSON string.
function json_string(text,    at, c, out) {
    out = "\""
    for (at = 1; at <= length(text); at++) {
        c = substr(text, at, 1)
        out = out ((c in json_escapes) ? json_escapes[c] : c)
    }
    return out "\""
}

# A JSON string, or null when the text is empty.
function json_or_null(text) {
    return text == "" ? "null" : json_string(text)
}

# The text of a string member of an object on one line; empty when it is null or absent. A quote inside of a value is
# escaped, so that `"name":` can only be a member's name.
function json_member(line, name,    key, at, c, out) {
    key = "\"" name "\":\""
    at = index(line, key)
    if (at == 0)
        return ""
    for (at += length(key); at <= length(line); at++) {
        c = substr(line, at, 1)
        if (c == "\"")
            break
        if (c == "\\") {
            at++
            c = substr(line, at, 1)
        }
        out = out c
    }
    return out
}
