# Counts the values of one member, `member`, of the objects that are read; `value<TAB>count` a line, in no order.

{ value = json_member($0, member); counts[value == "" ? "none" : value]++ }
END { for (value in counts) print value "\t" counts[value] }
