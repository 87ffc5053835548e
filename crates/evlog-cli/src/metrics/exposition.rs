//! The text format of Prometheus, version 0.0.4.
//!
//! Invariant: any label's value can be read back: a backslash, a quote and a line feed are escaped, and nothing else need be.

use super::catalogue::{Metric, Type};
use std::fmt::{Display, Write};

/// What a scrape and a file are: the type of the content, as HTTP names it.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How each page begins: metrics that follow have the same prefix.
pub(super) const BEGIN: &str = "# HELP evlog_";

/// A page with metrics.
pub(super) struct Page {
    text: String,
    /// Labels of every sample.
    common: Vec<(&'static str, String)>,
}

impl Page {
    /// An empty page, whose samples will all have these labels.
    pub(super) fn new(common: Vec<(&'static str, String)>) -> Page {
        Page { text: String::new(), common }
    }

    /// A metric with one sample.
    pub(super) fn one(&mut self, metric: &Metric, value: impl Display) {
        self.begin(metric);
        self.sample(metric.name, &[], value);
    }

    /// A metric with one sample, if its value is known.
    pub(super) fn known(&mut self, metric: &Metric, value: Option<impl Display>) {
        if let Some(value) = value {
            self.one(metric, value);
        }
    }

    /// A metric with a sample for each value of its labels. Without samples nothing is written.
    pub(super) fn each<V: Display>(&mut self, metric: &Metric, samples: impl IntoIterator<Item = (Vec<String>, V)>) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_some() {
            self.begin(metric);
        }
        for (values, value) in samples {
            let labels: Vec<(&str, String)> = metric.labels.iter().copied().zip(values).collect();
            self.sample(metric.name, &labels, value);
        }
    }

    /// A histogram: how many observations were at most each bound, the number of all, and their sum.
    pub(super) fn histogram(&mut self, metric: &Metric, (bounds, counts): (&[f64], &[u64]), count: u64, sum: f64) {
        self.begin(metric);
        let bucket = format!("{}_bucket", metric.name);
        for (bound, at_most) in bounds.iter().zip(counts) {
            self.sample(&bucket, &[("le", bound.to_string())], at_most);
        }
        self.sample(&bucket, &[("le", "+Inf".to_owned())], count);
        self.sample(&format!("{}_sum", metric.name), &[], sum);
        self.sample(&format!("{}_count", metric.name), &[], count);
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn begin(&mut self, metric: &Metric) {
        let Metric { name, r#type, help, .. } = metric;
        let help = help.replace('\\', "\\\\");
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {}\n", Type::word(*r#type)));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, String)], value: impl Display) {
        let all = self.common.iter().map(|(name, value)| (*name, value)).chain(labels.iter().map(|(n, v)| (*n, v)));
        let shown: Vec<String> = all.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        self.write(format_args!("{name}{{{}}} {value}\n", shown.join(",")));
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        let Ok(()) = self.text.write_fmt(text) else { unreachable!("text can always be added to a string") };
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
