# Licence expressions (SPDX): may the holder of the allowed licences use what is offered under this expression?
# AND binds tighter than OR, WITH belongs to the licence before it, brackets group. The old form `A/B` means `A OR B`.

# 1 when the expression can be satisfied with the licences that are keys of `allowed`, else 0.
function licence_allowed(expression,    answer) {
    gsub(/\//, " OR ", expression)
    gsub(/[()]/, " & ", expression)
    licence_count = split(expression, licence_words, " ")
    licence_at = 1
    answer = licence_or()
    # What does not parse to its end is not understood, and not allowed.
    return licence_at == licence_count + 1 ? answer : 0
}

function licence_or(    answer) {
    answer = licence_and()
    while (licence_words[licence_at] == "OR") {
        licence_at++
        answer = licence_and() || answer
    }
    return answer
}

function licence_and(    answer) {
    answer = licence_one()
    while (licence_words[licence_at] == "AND") {
        licence_at++
        answer = licence_one() && answer
    }
    return answer
}

function licence_one(    answer, name) {
    if (licence_words[licence_at] == "(") {
        licence_at++
        answer = licence_or()
        if (licence_words[licence_at] != ")")
            return 0
        licence_at++
        return answer
    }
    name = licence_words[licence_at++]
    if (licence_words[licence_at] == "WITH") {
        name = name " WITH " licence_words[licence_at + 1]
        licence_at += 2
    }
    return (name in allowed) ? 1 : 0
}
