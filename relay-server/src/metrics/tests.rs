use super::{CallMetrics, Format, HookMetrics, MetricSources, render};
use crate::api::ApiCounters;
use crate::hooks::HookMethod;
use crate::media_plane::Totals;
use crate::records::{JsonLines, RecordWriters};
use crate::signaling_plane::Gauges;
use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

fn rendered(gauges: &Gauges, format: Format) -> String {
    let (media, media_queues) = ([Totals::default()], [Arc::new(AtomicUsize::new(3))]);
    let (_, writers) = RecordWriters::start(vec![Box::new(JsonLines::new("unused".into()))]).unwrap();
    let (records, api) = (&writers.stores.counters, &ApiCounters::default());
    let hooks = &HookMetrics::default();
    hooks.count(HookMethod::Call, "ok", core::time::Duration::ZERO);
    hooks.count_retry(HookMethod::CallStatus);
    hooks.count_dropped(HookMethod::CallStatus);
    hooks.set_queued("shop", 1);
    render(
        &MetricSources { gauges, media: &media, media_queues: &media_queues, sip: None, records, api, hooks },
        format,
    )
}

/// One row for each metric of a text, as in `docs/metrics.md`.
fn table(text: &str) -> String {
    let mut labels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let names = labels.entry(name).or_default();
        let found = rest.split(',').filter_map(|pair| pair.split_once('=')).map(|(label, _)| label);
        for label in found.filter(|label| *label != "le") {
            if !names.contains(&label) {
                names.push(label);
            }
        }
    }
    let mut rows = "| metric | type | labels | content |\n|---|---|---|---|\n".to_owned();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')) else { continue };
        let kind = lines.next().unwrap().rsplit(' ').next().unwrap();
        let bucket = format!("{name}_bucket");
        let labels: Vec<String> =
            labels.get(name).or(labels.get(&*bucket)).into_iter().flatten().map(|label| format!("`{label}`")).collect();
        let help = help.strip_suffix('.').expect("a sentence");
        let _ = writeln!(rows, "| `{name}` | {kind} | {} | {help} |", labels.join(", "));
    }
    rows
}

#[test]
fn documentation_lists_every_metric() {
    let table = table(&rendered(&Gauges::default(), Format::Prometheus));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(&table), "docs/metrics.md does not contain this table:\n{table}");
}

#[test]
fn openmetrics_names_counters_without_suffix_and_ends_with_eof() {
    let text = rendered(&Gauges::default(), Format::OpenMetrics);
    assert!(
        text.contains("# TYPE offhook_calls_placed counter\noffhook_calls_placed_total{caller=\"application\"} 0\n")
    );
    assert!(text.contains("# TYPE process_cpu_seconds counter\n# UNIT process_cpu_seconds seconds\n"), "{text}");
    assert!(text.ends_with("\n# EOF\n"));
}

#[test]
fn format_is_selected_by_accept() {
    for (accept, format) in [
        (None, Format::Prometheus),
        (Some("*/*"), Format::Prometheus),
        (Some("text/plain;version=0.0.4"), Format::Prometheus),
        (Some("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.4"), Format::OpenMetrics),
        (Some("text/plain, application/openmetrics-text; q=0"), Format::Prometheus),
    ] {
        assert_eq!(Format::accepted(accept), format, "{accept:?}");
    }
}

#[test]
fn histogram_counts_each_bucket_and_the_larger_ones() {
    let mut histogram = super::histogram::Histogram::new(&[0.5, 1.0]);
    for value in [0.25, 0.5, 0.75, 2.0] {
        histogram.observe(value);
    }
    let counts: Vec<_> = histogram.cumulative().collect();
    assert_eq!(counts, [(Some(0.5), 2), (Some(1.0), 3), (None, 4)]);
    let mut out = super::exposition::Exposition::new(Format::Prometheus);
    out.histogram("x_seconds", "X.", &histogram);
    let samples = "x_seconds_bucket{le=\"0.5\"} 2\nx_seconds_bucket{le=\"1.0\"} 3\nx_seconds_bucket{le=\"+Inf\"} 4\n\
                   x_seconds_sum 3.5\nx_seconds_count 4\n";
    assert_eq!(out.finish(), format!("# HELP x_seconds X.\n# TYPE x_seconds histogram\n{samples}"));
}

#[test]
fn every_end_reason_has_a_sample_before_the_first_call() {
    let mut out = super::exposition::Exposition::new(Format::Prometheus);
    CallMetrics::default().write(&mut out);
    let text = out.finish();
    for reason in offhook_signaling::reason::EndReason::ALL {
        assert!(text.contains(&format!("offhook_calls_ended_total{{reason=\"{}\"}} 0\n", reason.name())));
    }
}
