//! Writer of the Prometheus text format 0.0.4 and of OpenMetrics 1.0.0.

use super::histogram::Histogram;
use core::fmt::{Display, Write};

/// A text format for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// Selects the format by the value of `Accept`: OpenMetrics if the client names it with a quality above zero.
    #[must_use]
    pub fn accepted(accept: Option<&str>) -> Self {
        let is_accepted = |range: &str| {
            let mut parts = range.split(';').map(str::trim);
            let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
            let quality = parts.find_map(|part| part.strip_prefix("q=")).map(str::parse::<f32>);
            is_named && quality.is_none_or(|quality| quality.is_ok_and(|quality| quality > 0.0))
        };
        let is_open = accept.is_some_and(|accept| accept.split(',').any(is_accepted));
        if is_open { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Suffixes of metric names that are repeated as the unit in OpenMetrics.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// A text with metrics.
pub(super) struct Exposition {
    format: Format,
    text: String,
}

/// A metric whose samples are being written.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Exposition {
    pub(super) const fn new(format: Format) -> Self {
        Self { format, text: String::new() }
    }

    /// Begins a counter, whose name ends with `_total`.
    pub(super) fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    /// Begins a gauge.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// Writes a histogram without labels.
    pub(super) fn histogram(&mut self, name: &'static str, help: &str, histogram: &Histogram) {
        self.family(name, "histogram", help).distribution(None, histogram);
    }

    /// Writes a histogram with one label.
    pub(super) fn histograms<'h>(
        &mut self,
        (name, help): (&'static str, &str),
        label: &str,
        histograms: impl IntoIterator<Item = (&'static str, &'h Histogram)>,
    ) {
        let mut family = self.family(name, "histogram", help);
        for (value, histogram) in histograms {
            family.distribution(Some((label, value)), histogram);
        }
    }

    /// Ends the text.
    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        let described = match self.format {
            Format::Prometheus => name,
            Format::OpenMetrics => name.strip_suffix("_total").unwrap_or(name),
        };
        let _ = writeln!(self.text, "# HELP {described} {help}\n# TYPE {described} {kind}");
        let unit = UNITS.into_iter().find(|unit| described.rsplit('_').next() == Some(unit));
        if let (Format::OpenMetrics, Some(unit)) = (self.format, unit) {
            let _ = writeln!(self.text, "# UNIT {described} {unit}");
        }
        Family { text: &mut self.text, name }
    }
}

impl Family<'_> {
    fn distribution(&mut self, label: Option<(&str, &str)>, histogram: &Histogram) {
        let name = self.name;
        let label = label.map(|(label, value)| format!("{label}=\"{value}\""));
        let separate = label.as_ref().map(|label| format!("{label},")).unwrap_or_default();
        for (bound, count) in histogram.cumulative() {
            // The bound has a decimal point, as OpenMetrics requires for `le`.
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| format!("{bound:?}"));
            let _ = writeln!(self.text, "{name}_bucket{{{separate}le=\"{bound}\"}} {count}");
        }
        let label = label.map(|label| format!("{{{label}}}")).unwrap_or_default();
        let _ = writeln!(self.text, "{name}_sum{label} {:?}", histogram.sum());
        let _ = writeln!(self.text, "{name}_count{label} {}", histogram.count());
    }

    /// Writes the sample of a metric without labels.
    pub(super) fn value(&mut self, value: impl Display) {
        let _ = writeln!(self.text, "{} {value}", self.name);
    }

    /// Writes a sample with labels.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.text.push_str(self.name);
        for (index, (label, content)) in labels.iter().enumerate() {
            let content = content.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.text, "{}{label}=\"{content}\"", if index == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.text, "}} {value}");
        self
    }
}
