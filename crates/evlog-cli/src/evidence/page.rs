//! The page for people: one file, no network, no script that runs. The same data gives the same bytes.

use super::{Evidence, Judged};
use crate::events::words;
use crate::ui::in_markup;
use serde_json::Value;
use std::fmt::Write;

const STYLE: &str = "\
:root{--ink:#1c2024;--faint:#60666d;--line:#d9dde1;--page:#fff;--soft:#f5f6f8;--bad:#b3261e;--good:#1a7f37}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaed;--faint:#9aa0a6;--line:#3c4043;--page:#17191c;--soft:#22252a;--bad:#f28b82;--good:#81c995}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:70rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
p{max-width:48rem}.faint{color:var(--faint)}.bad{color:var(--bad)}.status{color:var(--ink);font-weight:600}
code,pre,td.n{font:13px/1.45 ui-monospace,monospace}
pre{background:var(--soft);border:1px solid var(--line);border-radius:6px;padding:.8rem;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}th{text-align:left;color:var(--faint);font-weight:500;font-size:.85rem}
th,td{padding:.35rem .8rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td.d{overflow-wrap:anywhere;font:13px/1.45 ui-monospace,monospace}.w{white-space:nowrap}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.2rem}dt{color:var(--faint)}dd{margin:0;overflow-wrap:anywhere}
details{margin:.4rem 0}summary{cursor:pointer}";

/// A long correlation is broken, and a short one is not squeezed by the details beside it.
const TIED_WIDTH: &str = "style=\"min-width:9rem\"";

/// The whole page. `data` is the element that holds the data.
pub(super) fn render(evidence: &Evidence, judged: &Judged, data: &str) -> String {
    let run = in_markup(&evidence.run);
    let mut page = String::new();
    let _infallible = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Evidence: {run}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n\
         <h1>Evidence of run <code>{run}</code></h1>\n"
    );
    head(&mut page, judged);
    events(&mut page, judged);
    projections(&mut page, evidence);
    proofs(&mut page, evidence);
    let _infallible = write!(page, "{data}\n</body>\n</html>\n");
    page
}

fn head(page: &mut String, judged: &Judged) {
    let checkpoint = &judged.checkpoint;
    page.push_str(
        "<p class=\"faint\">This page does not check itself, and anybody can write a page. \
         <code>evlog check-evidence FILE --key LOG.pub</code> checks all of it, without a network and without the log: \
         the signature by the log's public key, which you get from elsewhere; that each event stands in the signed log; \
         that the files below follow from these events; and that this page says what its data says. Nothing in it proves that \
         the run has no later events: only the log shows that.</p>\n<dl>\n",
    );
    let mut row = |label: &str, text: &str, class: &str| {
        let _infallible = writeln!(page, "<dt>{label}</dt><dd class=\"{class}\">{}</dd>", in_markup(text));
    };
    row("status", judged.status.as_deref().unwrap_or("unknown"), "status");
    row("limit", &judged.limit(), "");
    row("contract", judged.contract.as_deref().unwrap_or("unknown"), "");
    row("log", &format!("{} (id {})", checkpoint.origin, checkpoint.log_id), "");
    row("checkpoint", &format!("{} bytes, the events before seq {}", checkpoint.size, checkpoint.next_seq), "");
    row("root", &judged.root().to_string(), "");
    match &judged.contract_finding {
        Some(finding) => row("finding", finding, "bad"),
        None => row("findings", "none: the contract allows every event", ""),
    }
    page.push_str("</dl>\n");
}

fn events(page: &mut String, judged: &Judged) {
    let is_tied = !judged.correlations().is_empty();
    let tied = if is_tied { "<th>correlation</th>" } else { "" };
    let _infallible = write!(
        page,
        "<h2>Events</h2>\n<table>\n<tr><th>seq</th><th>recorded</th><th>occurred</th><th>what</th><th>who</th>{tied}<th>details</th><th>position</th></tr>\n"
    );
    for (event, position) in &judged.events {
        let text = |key: &str| in_markup(event[key].as_str().unwrap_or_default());
        let recorded = event["recorded"].as_str().unwrap_or_default();
        let tied =
            if is_tied { format!("<td class=\"d\" {TIED_WIDTH}>{}</td>", text("correlation")) } else { String::new() };
        let _infallible = writeln!(
            page,
            "<tr><td class=\"n\">{}</td><td class=\"n w\">{}</td><td class=\"n w\">{}</td><td class=\"w\">{}</td><td>{}</td>{tied}<td class=\"d\">{}</td>\
             <td class=\"n\">{position}</td></tr>",
            event["seq"],
            in_markup(&shorter(recorded)),
            in_markup(&occurred(event)),
            text("kind"),
            who(event),
            in_markup(&words(event.get("payload").unwrap_or(&Value::Null))),
        );
    }
    page.push_str("</table>\n<p class=\"faint\">In order, without a gap, from the run's first event to the last one here; later ones may be left out. \
         The whole payloads are in the proofs.</p>\n");
}

/// When it occurred, by its command; with a mark if that differs from when it was recorded.
fn occurred(event: &Value) -> String {
    let Some(text) = event["occurred"].as_str() else { return String::new() };
    format!("{} {}", shorter(text), event["mark"].as_str().unwrap_or_default()).trim_end().to_owned()
}

/// The actor, as the command says, and the authenticated principal.
fn who(event: &Value) -> String {
    let actor = in_markup(event["actor"].as_str().unwrap_or_default());
    match event["principal"].as_str() {
        Some(principal) => format!("{actor} <span class=\"faint\">({})</span>", in_markup(principal)),
        None => actor,
    }
}

/// A time without fractions of a second that readers do not need; the data has all digits.
fn shorter(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, rest)) => format!("{seconds}.{}Z", rest.get(..3).unwrap_or(rest.trim_end_matches('Z'))),
        None => time.to_owned(),
    }
}

fn projections(page: &mut String, evidence: &Evidence) {
    page.push_str("<h2>Projections</h2>\n<p class=\"faint\">Files that follow from these events, byte for byte.</p>\n");
    for file in &evidence.projections {
        let _infallible = writeln!(
            page,
            "<details><summary><code>{}</code> <span class=\"faint\">{} version {}, BLAKE3 {}</span></summary>\n\
             <pre>{}</pre></details>",
            in_markup(&file.path),
            in_markup(&file.projection),
            file.version,
            in_markup(&file.blake3),
            in_markup(&file.text)
        );
    }
}

fn proofs(page: &mut String, evidence: &Evidence) {
    let _infallible = write!(
        page,
        "<h2>Checkpoint</h2>\n<pre>{}</pre>\n<h2>Proofs</h2>\n<p class=\"faint\">One for each commit: its bytes, and the way \
         from them to the root.</p>\n",
        in_markup(&evidence.checkpoint)
    );
    for (nth, proof) in (1..).zip(&evidence.proofs) {
        let _infallible =
            writeln!(page, "<details><summary>Proof {nth}</summary>\n<pre>{}</pre></details>", in_markup(proof));
    }
}
