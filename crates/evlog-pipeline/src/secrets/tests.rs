//! Every value and every form of it is masked, however it is cut into pieces, and nothing else is.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

fn secrets(values: &[&str]) -> Secrets {
    Secrets::from_values(values.iter().map(|value| value.as_bytes().to_vec()))
}

fn in_pieces(secrets: &Secrets, text: &str, len: usize) -> String {
    let mut masking = secrets.masking();
    let mut out = Vec::new();
    text.as_bytes().chunks(len).for_each(|piece| masking.push(piece, &mut out));
    masking.finish(&mut out);
    String::from_utf8(out).unwrap()
}

fn check(values: &[&str], text: &str, expected: &str) {
    let secrets = secrets(values);
    for len in 1..=text.len() {
        assert_eq!(in_pieces(&secrets, text, len), expected, "{values:?} in pieces of {len}");
    }
    assert_eq!(secrets.mask(text), expected);
}

#[test]
fn g51_a_secret_is_masked_however_it_is_cut_into_pieces() {
    check(&["hunter2"], "the password is hunter2, hunter2!\n", "the password is ***, ***!\n");
    check(&["hunter2"], "hunter hunter2hunter2 hunter", "hunter *** hunter");
    check(&["hunter2", "other-secret"], "hunter2other-secret", "***");
    check(&["hunter2"], "nothing of it", "nothing of it");
    check(&[], "hunter2", "hunter2");
}

#[test]
fn g51_no_byte_of_secrets_that_overlap_is_shown() {
    check(&["abcdef", "defghi"], "xabcdefghix", "x***x");
    check(&["abcdef", "cd-long-one"], "abcdef abcd-long-one", "*** ab***");
    check(&["aaaa"], "aaaaaaaaaaab aaa", "***b aaa");
    check(&["abcd", "abcdefgh"], "abcdefgx abcdefghi", "***efgx ***i");
}

#[test]
fn g52_a_value_is_masked_by_lines_and_in_json_url_hexadecimal_and_base64_form() {
    let value = "p\"ss: w/rd+of 12\nsecond line of it";
    let base64 = |before: &str, after: &str| STANDARD_NO_PAD.encode(format!("{before}{value}{after}"));
    let secrets = secrets(&[value]);
    let gone = |text: &str| {
        let masked = secrets.mask(text).into_owned();
        assert!(masked.contains("***"), "{text} became {masked}");
        masked
    };
    assert_eq!(gone(value), "***");
    assert_eq!(gone("a p\"ss: w/rd+of 12 b"), "a *** b");
    assert_eq!(gone("second line of it"), "***");
    assert_eq!(gone(&serde_json::json!({"a": value}).to_string()), "{\"a\":\"***\"}");
    assert_eq!(gone("?t=p%22ss%3A%20w%2Frd%2Bof%2012%0Asecond%20line%20of%20it&u"), "?t=***&u");
    assert_eq!(gone("?t=p%22ss%3a%20w%2frd%2bof%2012%0asecond%20line%20of%20it&u"), "?t=***&u");
    assert_eq!(gone("?t=p%22ss%3A+w%2Frd%2Bof+12%0Asecond+line+of+it&u"), "?t=***&u");
    let hex = |upper: bool| {
        let one = |byte: u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        value.bytes().map(one).collect::<String>()
    };
    assert_eq!(
        (gone(&format!("0x{}", hex(false))), gone(&format!("{}0A", hex(true)))),
        ("0x***".into(), "***0A".into())
    );
    assert_eq!(gone(&base64("", "")), "***");
    for before in ["", "x", "user:", "abc", "abcd", "abcde"] {
        for after in ["", "y", "yz", "xyz"] {
            let text = base64(before, after);
            let masked = gone(&text);
            // At most one character at each edge holds bits of a neighbour and of the secret.
            assert!(masked.len() < "***".len() + (before.len() + after.len()) * 4 / 3 + 5, "{text} became {masked}");
            gone(&URL_SAFE_NO_PAD.encode(format!("{before}{value}{after}")));
        }
    }
}

#[test]
fn g52_every_escape_of_json_urls_and_pointers_is_seen_through() {
    let slashes = "wJalr/K7MDENG+bPxRfi=CY~EX";
    for form in [
        "wJalr/K7MDENG%2BbPxRfi%3DCY~EX",
        "wJalr%2fK7MDENG%2BbPxRfi=CY%7eEX",
        "%77%4a%61%6c%72%2f%4b%37%4d%44%45%4e%47%2b%62%50%78%52%66%69%3d%43%59%7e%45%58",
        "wJalr\\/K7MDENG+bPxRfi=CY~EX",
        "wJalr\\u002fK7MDENG\\u002BbPxRfi\\u003dCY~EX",
        "wJalr~1K7MDENG+bPxRfi=CY~0EX",
        "wJalr~1K7MDENG%2BbPxRfi=CY~0EX",
        "wJalr%252FK7MDENG%252BbPxRfi%253DCY~EX",
        "wJalr\\\\\\/K7MDENG+bPxRfi=CY~EX",
        "\\x77\\x4aalr/K7MDENG+bPxRfi=CY~EX",
    ] {
        check(&[slashes], &format!("a {form} b"), "a *** b");
    }
    check(&["p\u{e4}ssw\u{f6}rt-1\u{20ac}x"], "\"p\\u00e4ssw\\u00f6rt-1\\u20acx\"", "\"***\"");
    check(&["ab<cd&ef>ghij"], "\"ab\\u003ccd\\u0026ef\\u003eghij\"", "\"***\"");
    check(&["ab cd/ef\u{1f600}"], "q=ab+cd%2Fef%F0%9F%98%80&r", "q=***&r");
    check(&["ab cd/ef\u{1f600}"], "\"ab cd\\/ef\\ud83d\\ude00\"", "\"***\"");
}

#[test]
fn g52_encoded_text_is_seen_through_over_line_breaks_and_escapes() {
    let value = "a token/with+some bytes in it";
    let secrets = secrets(&[value]);
    let wrapped = |text: &str, width: usize, by: &str| {
        text.as_bytes().chunks(width).map(|line| String::from_utf8(line.to_vec()).unwrap()).collect::<Vec<_>>().join(by)
    };
    let hex = value.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<String>>().concat();
    for (text, by) in
        [(STANDARD.encode(format!("xy{value}z")), "\n"), (hex.clone(), "\r\n  "), (hex.to_uppercase(), ":")]
    {
        for width in [2, 7, 16, 64] {
            let width = if by == ":" { 2 } else { width };
            let masked = secrets.mask(&wrapped(&text, width, by)).into_owned();
            assert!(masked.contains("***") && masked.len() < 16, "{width}: {masked:?}");
        }
    }
    let standard = STANDARD.encode(value);
    for text in
        [standard.replace('/', "\\/"), standard.replace('+', "%2B").replace('/', "%2F"), wrapped(&standard, 10, "\\n")]
    {
        assert!(secrets.mask(&text).len() < 12, "{text}");
    }
    assert_eq!(secrets.mask(&format!("{}\u{1b}[0m{}", &standard[..9], &standard[9..])).trim_end_matches('='), "***");
}

#[test]
fn g51_a_secret_within_which_colours_change_is_masked() {
    check(&["hunter2-and-more"], "the hunter\u{1b}[1;31m2-and\u{1b}[0m-more\u{7}!", "the ***\u{7}!");
    check(&["hunter2-and-more"], "\u{1b}]0;title\u{7}hunter2\u{8}-and-more", "\u{1b}]0;title\u{7}***");
    check(&["tab\tin it"], "a tab\tin it b", "a *** b");
}

#[test]
fn g51_the_beginning_of_a_value_that_does_not_go_on_is_shown() {
    // A repetitive value has many unfinished beginnings. Each byte is looked at only a few times.
    let value = "a".repeat(4000);
    let text = format!("{}b", "a".repeat(3999)).repeat(500);
    assert_eq!(secrets(&[&value]).mask(&text).len(), text.len());
}

#[test]
fn g52_forms_of_a_short_value_that_could_be_anything_are_not_masked() {
    // The base64 of `abcd` has six characters. Other data could well contain them.
    check(&["abcd"], "abcd YWJjZA", "*** YWJjZA");
}

fn plan(secrets: &str, env: &str) -> Plan {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("plan.toml");
    let text = format!(
        "name = \"p\"\n[secrets]\n{secrets}\n[[stage]]\nid = \"a\"\ncommand = [\"true\"]\n\
         reason_code = \"input_missing\"\n{env}\n"
    );
    std::fs::write(&path, text).unwrap();
    Plan::load(&path).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn g53_a_secret_that_is_not_set_or_too_short_is_refused_without_its_value() {
    let variable = |name: &str| match name {
        "TOKEN" => Some("a-token-value".into()),
        "SHORT" => Some("xyz".into()),
        "BLANK" => Some(" \n".into()),
        _ => None,
    };
    let cases = [
        ("names = [\"TOKEN\"]", "", None),
        ("optional = [\"NONE\", \"BLANK\"]", "", None),
        ("names = [\"NONE\"]", "", Some("secret `NONE`, which is not set")),
        ("names = [\"BLANK\"]", "", Some("secret `BLANK`, which is not set")),
        ("names = [\"SHORT\"]", "", Some("secret `SHORT`: expected at least 4 bytes")),
        ("optional = [\"SHORT\"]", "", Some("secret `SHORT`: expected at least 4 bytes")),
        ("names = [\"NONE\"]", "env = { NONE = \"of the plan\" }", None),
        ("names = [\"TOKEN\"]", "env = { TOKEN = \"no\" }", Some("expected at least 4 bytes")),
    ];
    for (secrets, env, expected) in cases {
        match (Secrets::with(&plan(secrets, env), &variable), expected) {
            (Ok(_), None) => {}
            (Err(error), Some(part)) => {
                let text = error.to_string();
                assert!(text.contains(part) && !text.contains("xyz"), "{text}");
            }
            (found, _) => panic!("{secrets}: expected {expected:?}, found {found:?}"),
        }
    }
    let named = plan("names = [\"TOKEN\"]\n[manifest]\nnote = \"it is a-token-value\"", "");
    let error = Secrets::with(&named, &variable).unwrap_err().to_string();
    assert!(error.contains("the plan's own text") && !error.contains("a-token-value"), "{error}");
    let both = Secrets::with(&plan("names = [\"TOKEN\"]", "env = { TOKEN = \"another-one\" }"), &variable).unwrap();
    assert_eq!(both.mask("a-token-value another-one"), "*** ***", "each value that some stage has");
}

#[test]
fn g53_a_run_whose_id_holds_a_secret_is_refused() {
    let plan = plan("names = [\"EVLOGS_TOKEN\"]", "env = { EVLOGS_TOKEN = \"build-key-7\" }");
    assert!(Secrets::of(&plan, None).is_ok() && Secrets::of(&plan, Some("build-key")).is_ok());
    let error = Secrets::of(&plan, Some("of-build-key-7")).unwrap_err().to_string();
    assert!(error.contains("the id of the run") && !error.contains("build-key-7"), "{error}");
}

#[test]
fn g53_a_plan_of_a_built_in_pipeline_whose_name_holds_a_secret_is_refused() {
    let mut plan = plan("names = [\"TOKEN\"]", "env = { TOKEN = \"sesame\" }");
    plan.name = "open-sesame".to_owned();
    assert!(Secrets::of(&plan, None).is_err());
}

#[test]
fn g52_a_value_is_seen_through_tabs_carriage_returns_nested_json_and_escapes_of_characters() {
    let value = "Abcd-efgh \"q\"\\ij\u{e9}";
    let mut nested = value.to_owned();
    for depth in 1..=4 {
        nested = serde_json::to_string(&nested).unwrap();
        let masked = secrets(&[value]).mask(&nested).into_owned();
        assert!(masked.contains("***") && !masked.contains("efgh"), "{depth}: {masked}");
    }
    check(&[value], "'Abcd-efgh \"q\"\\\\ij\\xe9'", "'***'");
    check(&[value], "a Abcd-\refgh \"q\"\\ij\u{e9} b", "a *** b");
    check(&[value], "a Abcd-\tefgh\t \"q\"\\ij\u{e9} b", "a *** b");
    check(&["tab\tin it"], "a tab\tin it b", "a *** b");
}

#[test]
fn g54_every_member_of_a_finding_is_masked() {
    let finding = Finding::schema("/abcd~1efgh", "/properties/abcd~1efgh/type", "abcd/efgh", "no abcd/efgh");
    let masked = format!("{:?}", secrets(&["abcd/efgh"]).mask_finding(finding));
    assert!(!masked.contains("efgh"), "{masked}");
}

#[test]
fn g52_spellings_within_spellings_and_every_kind_of_escape_code_are_seen_through() {
    let secret = "hunt-er2/x~y z";
    let json = |text: &str| text.replace('/', "\\/").replace(' ', "\\u0020");
    let form = |text: &str| text.replace('~', "%7E").replace('/', "%2F").replace('\\', "%5C").replace(' ', "+");
    let pointer = |text: &str| text.replace('~', "~0").replace('/', "~1");
    let spelt = [
        form(&json(secret)),
        json(&form(secret)),
        form(&pointer(secret)),
        pointer(&form(secret)),
        json(&pointer(secret)),
        pointer(&pointer(secret)),
    ];
    let split = |text: &str, by: &str| format!("{}{by}{}", &text[..3], &text[3..]);
    let codes = ["\u{1b}(B", "\u{1b}#8", "\u{1b}%G", "\u{9b}31m", "\u{1b}[m"];
    let shown = codes.iter().map(|code| split(secret, code));
    let returned =
        [form(secret), pointer(secret)].map(|text| text.chars().map(String::from).collect::<Vec<_>>().join("\r"));
    for text in spelt.into_iter().chain(shown).chain(returned) {
        check(&[secret], &format!("is: {text} !"), "is: *** !");
    }
}
