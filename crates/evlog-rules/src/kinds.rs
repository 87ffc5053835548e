//! Kinds of events by name or pattern.

use crate::condition::regex;
use evlog_format::Kind;
use evlog_format::kind::{BUILT_IN, CUSTOM_PREFIX};
use evlog_projection::members::quoted;
use regex::Regex;

/// A pattern of names: `*` for any text, `?` for one character, `[abc]` for one of these.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    /// `None` if the pattern is one plain name.
    regex: Option<Regex>,
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        if text.is_empty() {
            return Err("expected a name or a pattern, found nothing".to_owned());
        }
        if !text.contains(['*', '?', '[']) {
            return Ok(Pattern { text: text.to_owned(), regex: None });
        }
        let mut made = String::from("(?s)^");
        let mut rest = text;
        while let Some(char) = rest.chars().next() {
            let class =
                rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).filter(|(class, _)| !class.is_empty());
            let (piece, len) = match (char, class) {
                ('*', _) => (".*".to_owned(), 1),
                ('?', _) => (".".to_owned(), 1),
                ('[', Some((class, _))) => (class_of(class), class.len() + 2),
                ('[', None) => return Err(format!("expected `]` after `[` in the pattern `{}`", quoted(text))),
                (plain, _) => (regex::escape(plain.encode_utf8(&mut [0; 4])), plain.len_utf8()),
            };
            made.push_str(&piece);
            rest = &rest[len..];
        }
        made.push('$');
        Ok(Pattern { text: text.to_owned(), regex: Some(regex(&made)?) })
    }

    /// The pattern as it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name, if this is a name and not a pattern.
    pub fn plain(&self) -> Option<&str> {
        self.regex.is_none().then_some(self.text.as_str())
    }

    /// Whether a name that matches can begin with a character.
    fn can_begin_with(&self, char: char) -> bool {
        match self.text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((class, _)) => {
                Pattern::parse(&format!("[{class}]")).is_ok_and(|one| one.matches(char.encode_utf8(&mut [0; 4])))
            }
            None => true,
        }
    }

    /// Whether a name matches.
    pub fn matches(&self, name: &str) -> bool {
        self.regex.as_ref().map_or(self.text == name, |regex| regex.is_match(name))
    }
}

/// `[abc]`, `[a-z]` or `[!abc]` as a class of a regular expression.
fn class_of(class: &str) -> String {
    let (negated, class) = match class.strip_prefix('!') {
        Some(rest) => ("^", rest),
        None => ("", class),
    };
    let escaped: String = class
        .chars()
        .map(|char| if char == '-' { "-".to_owned() } else { regex::escape(char.encode_utf8(&mut [0; 4])) })
        .collect();
    format!("[{negated}{escaped}]")
}

/// Kinds of events by name or pattern.
#[derive(Clone, Debug)]
pub struct Kinds {
    pattern: Pattern,
    built_in: Vec<u16>,
    has_custom: bool,
}

impl Kinds {
    /// Reads the name of a kind, or a pattern of names. At least one kind must match: a built-in one, or users' kinds.
    pub fn parse(text: &str) -> Result<Kinds, String> {
        let pattern = Pattern::parse(text)?;
        let built_in: Vec<u16> =
            BUILT_IN.iter().filter(|(_, name)| pattern.matches(name)).map(|(number, _)| *number).collect();
        let plain = text.split(['*', '?', '[']).next().unwrap_or_default();
        let is_pattern = plain.len() < text.len();
        // A class at the beginning can leave out the first letter of users' kinds.
        let begins = CUSTOM_PREFIX.starts_with(plain) && (!plain.is_empty() || pattern.can_begin_with('c'));
        let has_custom = text.len() > CUSTOM_PREFIX.len() && text.starts_with(CUSTOM_PREFIX) || (is_pattern && begins);
        if built_in.is_empty() && !has_custom {
            return Err(format!(
                "expected a kind of event, such as `status.created`, `pipeline.*` or `custom/paid`, found `{}`",
                quoted(text)
            ));
        }
        Ok(Kinds { pattern, built_in, has_custom })
    }

    /// This kind and no other.
    pub fn exactly(kind: Kind<'_>) -> Kinds {
        let pattern = Pattern { text: kind.to_string(), regex: None };
        match kind {
            Kind::BuiltIn(number) => Kinds { pattern, built_in: vec![number], has_custom: false },
            Kind::Custom(_) => Kinds { pattern, built_in: Vec::new(), has_custom: true },
        }
    }

    /// Whether a kind is selected.
    pub fn holds(&self, kind: Kind<'_>) -> bool {
        match kind {
            Kind::BuiltIn(number) => self.built_in.binary_search(&number).is_ok(),
            Kind::Custom(name) => self.pattern.matches(name),
        }
    }

    /// Whether users' kinds can be among the selected kinds.
    pub fn has_custom(&self) -> bool {
        self.has_custom
    }

    /// The numbers of the built-in kinds that are selected.
    pub fn built_in(&self) -> &[u16] {
        &self.built_in
    }

    /// The name, if this is a name and not a pattern.
    pub fn plain(&self) -> Option<&str> {
        self.pattern.plain()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evlog_format::kind::{LOG_CREATED, STATUS_CREATED};

    #[test]
    fn a_pattern_matches_whole_names() {
        let matches = |pattern: &str, name: &str| Pattern::parse(pattern).expect("a pattern").matches(name);
        assert!(matches("RUN_*", "RUN_1") && matches("RUN_?", "RUN_1") && matches("RUN_[0-3]", "RUN_1"));
        assert!(matches("RUN_[!2]", "RUN_1") && matches("$log", "$log") && matches("a.b", "a.b"));
        assert!(!matches("RUN_*", "A_RUN_1") && !matches("RUN_?", "RUN_12") && !matches("RUN_[!1]", "RUN_1"));
        assert!(!matches("a.b", "axb") && !matches("a*b", "a\nc"));
        assert!(Pattern::parse("RUN_[1").is_err() && Pattern::parse("").is_err());
    }

    #[test]
    fn kinds_are_built_in_ones_or_those_of_users() {
        let kinds = |text: &str| Kinds::parse(text).expect("kinds");
        assert!(kinds("status.*").holds(STATUS_CREATED) && !kinds("status.*").holds(LOG_CREATED));
        assert!(kinds("*created").holds(LOG_CREATED) && kinds("*").holds(Kind::Custom("custom/x")));
        assert!(kinds("custom/*").holds(Kind::Custom("custom/x")) && !kinds("custom/*").holds(STATUS_CREATED));
        assert!(Kinds::parse("status.made").is_err() && Kinds::parse("paid").is_err());
        assert!(Kinds::parse("custom/").is_err(), "no kind has an empty name");
    }
}
