//! Random names, which do not repeat and cannot be guessed.

use evlog_format::LogId;

/// 16 random bytes, marked as a UUID of version 4 (RFC 9562).
pub fn id() -> [u8; 16] {
    let mut bytes = [0; 16];
    // On Linux and macOS every process gets random bytes, once the system has booted.
    getrandom::fill(&mut bytes).unwrap_or_else(|error| unreachable!("the system has random bytes: {error}"));
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

/// Such an id as 32 hexadecimal digits.
pub fn name() -> String {
    LogId(id()).to_string()
}

/// Such an id as UUIDs are written: hexadecimal digits in groups of 8, 4, 4, 4 and 12.
pub fn uuid() -> String {
    let digits = name();
    let group = |start: usize, end: usize| &digits[start..end];
    [group(0, 8), group(8, 12), group(12, 16), group(16, 20), group(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_differ_and_are_written_as_uuids_of_version_4() {
        let drawn: BTreeSet<String> = (0..1000).map(|_| uuid()).collect();
        assert_eq!(drawn.len(), 1000);
        for uuid in drawn {
            let shape: String = uuid.chars().map(|c| if c.is_ascii_hexdigit() { 'x' } else { c }).collect();
            assert_eq!(shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "{uuid}");
            assert_eq!(uuid, uuid.to_lowercase());
            assert_eq!(&uuid[14..15], "4", "{uuid}");
            assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        }
        assert_eq!(name().len(), 32);
    }
}
