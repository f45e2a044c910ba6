//! Metrics of the process, with the names that all Prometheus client libraries use. Read from `/proc`; other systems have none.

use super::exposition::Exposition;
use std::fs;

/// Clock ticks per second in `/proc/PID/stat` (`USER_HZ`, proc(5)).
const TICKS: f64 = 100.0;

pub(super) fn write(out: &mut Exposition) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, can contain spaces.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
    if let (Some(user), Some(system)) = (field(11), field(12)) {
        let help = "CPU time of the process, user and system.";
        out.counter("process_cpu_seconds_total", help).value((user + system) / TICKS);
    }
    let system = fs::read_to_string("/proc/stat").unwrap_or_default();
    let boot = system.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
    if let (Some(ticks), Some(boot)) = (field(19), boot) {
        let help = "Start of the process, in seconds since the Unix epoch.";
        out.gauge("process_start_time_seconds", help).value(boot + ticks / TICKS);
    }
    if let Some(threads) = field(17) {
        out.gauge("process_threads", "Threads of the process.").value(threads);
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let octets = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim_end_matches("kB").trim().parse::<u64>().ok()).map(|kilo| kilo * 1024)
    };
    if let Some(octets) = octets("VmRSS:") {
        out.gauge("process_resident_memory_bytes", "Resident memory of the process.").value(octets);
    }
    if let Some(octets) = octets("VmSize:") {
        out.gauge("process_virtual_memory_bytes", "Virtual memory of the process.").value(octets);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        out.gauge("process_open_fds", "Open file descriptors of the process.").value(open.count());
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    if let Some(limit) = limit.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()) {
        out.gauge("process_max_fds", "Maximum number of open file descriptors.").value(limit);
    }
}
