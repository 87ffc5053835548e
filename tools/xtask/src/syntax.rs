//! As much of the syntax of a Rust file as the checks need: the modules it declares, the names it defines, the paths it
//! writes.
//!
//! Paths are found wherever they stand: in `use` trees, one for each leaf, in types, in expressions, in the arguments of
//! macros. What stands under `#[cfg(test)]` is marked. Does not: know types, expand macros, read a path of one segment outside
//! of `use`, or see `#[cfg(test)]` past a comma between `<` and `>` or past a struct pattern.

use crate::lexer::code_only;

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// Modules that are written here.
    pub(crate) inline_modules: Vec<Definition>,
    /// Modules that stand in files of their own.
    pub(crate) file_modules: Vec<Definition>,
    /// Functions, types, traits, constants and macros of modules; none of those inside of functions and `impl`s.
    pub(crate) items: Vec<Definition>,
    /// Paths, in the order of the text.
    pub(crate) paths: Vec<Path>,
}

/// A name that is defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    /// The modules of this file around it, outermost first.
    pub(crate) within: Vec<String>,
    pub(crate) name: String,
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) is_test: bool,
}

impl Definition {
    /// The names from the module of the file down to it.
    pub(crate) fn below(&self) -> Vec<String> {
        [self.within.as_slice(), std::slice::from_ref(&self.name)].concat()
    }
}

/// A path that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// The modules of this file around it, outermost first.
    pub(crate) within: Vec<String>,
    /// Its segments; of a glob those before the star.
    pub(crate) segments: Vec<String>,
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) is_test: bool,
    pub(crate) role: Role,
}

/// What a path is written for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A leaf of `use`, and the name that it gives.
    Import(String),
    /// A leaf of `use` that ends in a star.
    Glob,
    /// Anything else.
    Mention,
}

/// Reads the text of a file.
pub(crate) fn read(text: &str) -> Syntax {
    let code = code_only(text);
    let mut reader = Reader { tokens: tokens(&code), ..Reader::default() };
    while reader.at < reader.tokens.len() {
        reader.step();
    }
    reader.found
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// `::` after a name or its arguments.
    Colons,
    /// `::` that begins a path.
    Lead,
    Mark(char),
}

/// The tokens of code, each with its line. Names of lifetimes are left out.
fn tokens(code: &str) -> Vec<(Token<'_>, usize)> {
    let is_in_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c| !is_in_word(c)).unwrap_or(rest.len());
            let goes_on = || line[..line.len() - rest.len()].ends_with(|c| is_in_word(c) || c == '>');
            let (token, len) = match (first, word) {
                (_, 1..) => (Some(Token::Word(&rest[..word])), word),
                (':', _) if rest.starts_with("::") => (Some(if goes_on() { Token::Colons } else { Token::Lead }), 2),
                ('\'', _) => (None, 1 + rest[1..].find(|c| !is_in_word(c)).unwrap_or(0)),
                (c, _) => (Some(Token::Mark(c)).filter(|_| !c.is_whitespace()), c.len_utf8()),
            };
            found.extend(token.map(|token| (token, number)));
            rest = &rest[len..];
        }
    }
    found
}

/// What a brace has opened.
#[derive(Debug)]
struct Scope {
    module: Option<String>,
    is_test: bool,
}

/// Something under `#[cfg(test)]` whose brace has not been opened yet.
#[derive(Debug)]
struct Tested {
    /// How many brackets were open where it began.
    brackets: usize,
    /// Whether a comma ends it, as it ends an arm of `match`, a field or an argument.
    ends_at_comma: bool,
}

#[derive(Debug, Default)]
struct Reader<'a> {
    tokens: Vec<(Token<'a>, usize)>,
    at: usize,
    scopes: Vec<Scope>,
    /// How many parentheses and brackets are open.
    brackets: usize,
    /// What `#[cfg(test)]` stands before, until its end.
    tested: Option<Tested>,
    found: Syntax,
}

impl<'a> Reader<'a> {
    fn token(&self, ahead: usize) -> Option<Token<'a>> {
        self.tokens.get(self.at + ahead).map(|(token, _)| *token)
    }

    fn word(&self, ahead: usize) -> Option<&'a str> {
        match self.token(ahead) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn before(&self, back: usize) -> Option<Token<'a>> {
        self.at.checked_sub(back).and_then(|at| self.tokens.get(at)).map(|(token, _)| *token)
    }

    fn is_test(&self) -> bool {
        self.tested.is_some() || self.scopes.last().is_some_and(|scope| scope.is_test)
    }

    fn within(&self) -> Vec<String> {
        self.scopes.iter().filter_map(|scope| scope.module.clone()).collect()
    }

    /// Takes one token, or the item or path that begins here.
    fn step(&mut self) {
        match self.token(0) {
            Some(Token::Word(word)) => return self.word_step(word),
            Some(Token::Mark(mark)) => self.mark_step(mark),
            _ => {}
        }
        self.at += 1;
    }

    fn mark_step(&mut self, mark: char) {
        const CFG_TEST: [Token<'static>; 6] = [
            Token::Mark('['),
            Token::Word("cfg"),
            Token::Mark('('),
            Token::Word("test"),
            Token::Mark(')'),
            Token::Mark(']'),
        ];
        match mark {
            '#' if (1..).zip(CFG_TEST).all(|(ahead, token)| self.token(ahead) == Some(token)) => {
                self.at += CFG_TEST.len();
                self.tested = Some(Tested { brackets: self.brackets, ends_at_comma: !self.begins_item() });
            }
            '(' | '[' => self.brackets += 1,
            ')' | ']' => {
                self.brackets = self.brackets.saturating_sub(1);
                self.tested = self.tested.take().filter(|tested| tested.brackets <= self.brackets);
            }
            '{' => self.open(None),
            '}' => {
                self.scopes.pop();
                self.tested = None;
            }
            ',' => self.tested = self.tested.take().filter(|it| !it.ends_at_comma || it.brackets != self.brackets),
            ';' => self.tested = self.tested.take().filter(|tested| tested.brackets != self.brackets),
            _ => {}
        }
    }

    /// Whether an item or a statement begins after the bracket of an attribute, which is ended by a brace or a semicolon.
    /// Other attributes, and the visibility, stand before its keyword.
    fn begins_item(&self) -> bool {
        const KEYWORDS: [&str; 17] = [
            "async",
            "const",
            "enum",
            "extern",
            "fn",
            "impl",
            "let",
            "macro_rules",
            "mod",
            "static",
            "struct",
            "trait",
            "type",
            "union",
            "unsafe",
            "use",
            "while",
        ];
        let (mut depth, mut ahead) = (0_usize, 1);
        while let Some(token) = self.token(ahead) {
            match token {
                Token::Mark('(' | '[') => depth += 1,
                Token::Mark(')' | ']') => depth = depth.saturating_sub(1),
                Token::Word(word) if depth == 0 && word != "pub" => return KEYWORDS.contains(&word),
                _ => {}
            }
            ahead += 1;
        }
        false
    }

    fn open(&mut self, module: Option<String>) {
        let is_test = self.is_test();
        self.scopes.push(Scope { module, is_test });
        self.tested = None;
    }

    fn word_step(&mut self, word: &str) {
        let is_path = self.token(1) == Some(Token::Colons);
        match word {
            "use" if self.token(1) != Some(Token::Mark('<')) => self.import(),
            "mod" if self.word(1).is_some() => self.module(),
            "extern" if self.word(1) == Some("crate") => self.extern_crate(),
            _ if is_path && self.before(1) != Some(Token::Colons) => self.mention(),
            _ => {
                self.define(word);
                self.at += 1;
            }
        }
    }

    fn module(&mut self) {
        let name = self.word(1).unwrap_or_default().to_owned();
        let definition = self.definition(&name);
        if self.token(2) == Some(Token::Mark('{')) {
            self.found.inline_modules.push(definition);
            self.open(Some(name));
        } else {
            self.found.file_modules.push(definition);
        }
        self.tested = None;
        self.at += 3;
    }

    /// Notes the name after a keyword that defines one, in a module.
    fn define(&mut self, keyword: &str) {
        let is_in_module = self.scopes.last().is_none_or(|scope| scope.module.is_some());
        let ahead = match keyword {
            "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static" => 1,
            "macro_rules" => 2,
            _ => return,
        };
        let is_name = |word: &&str| !matches!(*word, "fn" | "unsafe");
        if let Some(name) = self.word(ahead).filter(|word| is_name(word) && is_in_module && self.brackets == 0) {
            self.found.items.push(self.definition(name));
        }
    }

    fn definition(&self, name: &str) -> Definition {
        let line = self.tokens.get(self.at).map_or(1, |(_, line)| *line);
        Definition { within: self.within(), name: name.to_owned(), line, is_test: self.is_test() }
    }

    fn mention(&mut self) {
        let is_visibility = self.before(1) == Some(Token::Word("in")) && self.before(3) == Some(Token::Word("pub"));
        let (line, is_test, mut segments) = (self.tokens[self.at].1, self.is_test(), Vec::new());
        while let Some(word) = self.word(0) {
            segments.push(word.to_owned());
            self.at += 1;
            if self.token(0) != Some(Token::Colons) || self.word(1).is_none() {
                break;
            }
            self.at += 1;
        }
        if !is_visibility {
            self.found.paths.push(Path { within: self.within(), segments, line, is_test, role: Role::Mention });
        }
    }

    /// `extern crate a as b` gives a name to a crate, as `use` does.
    fn extern_crate(&mut self) {
        self.at += 1;
        self.import();
    }

    fn import(&mut self) {
        self.at += 1;
        self.tree(&[]);
        self.tested = None;
    }

    /// Reads a tree of `use` to its end, and leaves the text after it.
    fn tree(&mut self, above: &[String]) {
        let mut segments = above.to_vec();
        loop {
            match self.token(0) {
                Some(Token::Word(word)) => {
                    segments.push(word.to_owned());
                    self.at += 1;
                    if self.token(0) != Some(Token::Colons) {
                        return self.leaf(segments);
                    }
                }
                Some(Token::Colons | Token::Lead) => self.at += 1,
                Some(Token::Mark('*')) => {
                    self.import_of(segments, Role::Glob);
                    self.at += 1;
                    return;
                }
                Some(Token::Mark('{')) => return self.branches(&segments),
                _ => return,
            }
        }
    }

    fn branches(&mut self, above: &[String]) {
        self.at += 1;
        while self.at < self.tokens.len() && self.token(0) != Some(Token::Mark('}')) {
            let before = self.at;
            self.tree(above);
            if self.token(0) == Some(Token::Mark(',')) || self.at == before {
                self.at += 1;
            }
        }
        self.at += 1;
    }

    /// The name that a leaf gives is its last segment, or the name after `as`. `self` names what stands before it.
    fn leaf(&mut self, mut segments: Vec<String>) {
        if segments.len() > 1 {
            segments.pop_if(|last| last == "self");
        }
        let alias = self.word(1).filter(|_| self.token(0) == Some(Token::Word("as"))).map(str::to_owned);
        self.at += if alias.is_some() { 2 } else { 0 };
        let name = alias.or_else(|| segments.last().cloned()).unwrap_or_default();
        self.import_of(segments, Role::Import(name));
    }

    fn import_of(&mut self, segments: Vec<String>, role: Role) {
        let line = self.tokens.get(self.at.saturating_sub(1)).map_or(1, |(_, line)| *line);
        self.found.paths.push(Path { within: self.within(), segments, line, is_test: self.is_test(), role });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        let say = |path: &Path| {
            let role = match &path.role {
                Role::Import(name) => format!(" as {name}"),
                Role::Glob => "::*".to_owned(),
                Role::Mention => String::new(),
            };
            let within = path.within.concat();
            format!(
                "{}{within} {}{role}{}",
                path.line,
                path.segments.join("::"),
                if path.is_test { " test" } else { "" }
            )
        };
        read(text).paths.iter().map(say).collect()
    }

    #[test]
    fn every_leaf_of_a_use_is_a_path_with_its_line() {
        let text = "use a::b;\npub(crate) use crate::{\n    c::{self, D as E},\n    f::*,\n};\nuse super::g as _;\n";
        let expected = ["1 a::b as b", "3 crate::c as c", "3 crate::c::D as E", "4 crate::f::*", "6 super::g as _"];
        assert_eq!(said(text), expected);
    }

    #[test]
    fn paths_are_found_in_types_expressions_and_macros_and_not_in_comments() {
        let text = "// a::b\nfn f<'a>(x: c::D<'a>) -> Vec<e::F> {\n    g!(\"{}\", h::i::<j::K>(x), &'a', Self::L);\n}\n\
                    pub(in crate::m) fn n() -> impl Fn() + use<> { <O as p::Q>::r() }\n";
        assert_eq!(said(text), ["2 c::D", "2 e::F", "3 h::i", "3 j::K", "3 Self::L", "5 p::Q"]);
    }

    #[test]
    fn what_stands_in_tests_is_marked_to_its_end() {
        let text = "#[cfg(test)]\nuse a::b;\n#[cfg(test)]\nfn c(d: [u8; 2]) { e::f() }\nfn g() { h::i() }\n\
                    #[cfg(test)]\nmod tests {\n    use super::*;\n    fn j() { k::l() }\n}\nm::n!();\n";
        let expected =
            ["2 a::b as b test", "4 e::f test", "5 h::i", "8tests super::* test", "9tests k::l test", "11 m::n"];
        assert_eq!(said(text), expected);
    }

    #[test]
    fn a_path_that_begins_with_colons_is_found_and_what_stands_behind_arguments_is_none() {
        let text =
            "fn f() -> ::a::B { return ::c::d() }\nfn g() { h::<i::J>::k::l(); <M as N>::o::p() }\nuse ::q::r;\n";
        assert_eq!(said(text), ["1 a::B", "1 c::d", "2 h", "2 i::J", "3 q::r as r"]);
    }

    #[test]
    fn a_crate_that_is_named_is_an_import() {
        assert_eq!(said("extern crate std as s;\nextern crate alloc;\n"), ["1 std as s", "2 alloc as alloc"]);
    }

    #[test]
    fn a_mark_of_tests_ends_with_its_arm_its_field_or_its_argument() {
        let text = "fn f() { match x {\n #[cfg(test)]\n A(_, _) => a::b(c, d::e),\n B => f::g(),\n } }\n\
                    struct S {\n #[cfg(test)]\n #[doc(alias)]\n pub(crate) h: i::J,\n k: l::M }\n\
                    fn n(#[cfg(test)] o: p::Q) -> r::S {}\n\
                    #[cfg(test)]\npub(crate) fn t<U, V>(x: w::X) {}\n";
        let expected = [
            "3 a::b test",
            "3 d::e test",
            "4 f::g",
            "9 i::J test",
            "10 l::M",
            "11 p::Q test",
            "11 r::S",
            "13 w::X test",
        ];
        assert_eq!(said(text), expected);
    }

    #[test]
    fn modules_and_items_have_names_and_those_of_functions_do_not() {
        let text = "mod a;\n#[cfg(test)]\nmod b;\nmod c { pub struct D; }\nconst fn e() { fn f() {} }\nimpl D { fn g() {} }\n\
                    macro_rules! h { () => {} }\nstatic I: u8 = 1;\n";
        let found = read(text);
        let names = |names: &[Definition]| {
            let say = |name: &Definition| {
                format!("{}{}{}", name.within.concat(), name.name, if name.is_test { " test" } else { "" })
            };
            names.iter().map(say).collect::<Vec<_>>()
        };
        assert_eq!(names(&found.file_modules), ["a", "b test"]);
        assert_eq!(names(&found.inline_modules), ["c"]);
        assert_eq!(names(&found.items), ["cD", "e", "h", "I"]);
    }
}
