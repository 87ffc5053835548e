//! A timeline: a list with a drawing for each lane. Names and times are text beside the drawing, so they stay readable where the
//! drawing is narrow, and are read aloud.

use crate::page::{Lane, Span, Timeline};
use maud::{Markup, html};

/// The length of the whole timeline, in the units of spans.
const LEN: u16 = 1000;
/// The least width of a span that is drawn: something that took no time must be visible.
const WIDTH_MIN: u16 = 6;

pub(crate) fn timeline(timeline: &Timeline) -> Markup {
    html! {
        figure.timeline {
            figcaption { span { (timeline.ends.0) } span { (timeline.ends.1) } }
            ol { @for lane in &timeline.lanes { (drawn(lane)) } }
            @if !timeline.left_out.is_empty() { p.faint { (timeline.left_out) } }
        }
    }
}

fn drawn(lane: &Lane) -> Markup {
    html! {
        li {
            span.lane { (lane.name) }
            svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                rect.track x="0" y="4" width="1000" height="2" {}
                @for span in &lane.spans { (rect(*span)) }
            }
            span.words { (lane.words) }
        }
    }
}

fn rect(span: Span) -> Markup {
    let from = span.from.min(LEN - WIDTH_MIN);
    let width = span.to.min(LEN).saturating_sub(from).max(WIDTH_MIN);
    let height = if span.to > span.from { ("2", "6") } else { ("0", "10") };
    html! { rect class=(span.tone.class()) x=(from) y=(height.0) width=(width) height=(height.1) {} }
}
