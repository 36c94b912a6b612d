//! What the kernel says of the machine and of this process, out of `/proc`. Parsing is pure; a file
//! that is missing or unreadable leaves its metrics out.

use std::fs;

/// Clock ticks per second in `/proc`: `USER_HZ`, which is 100 on every architecture Linux runs
/// these servers on, whatever the kernel's own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Cumulative CPU time of the machine in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuTimes {
    busy: u64,
    idle: u64,
}

/// Memory of the machine in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) total: u64,
    pub(crate) used: u64,
}

/// This process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Process {
    pub(crate) cpu_seconds: f64,
    pub(crate) threads: u64,
    /// Seconds after the machine's start.
    pub(crate) started: f64,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) open_fds: Option<usize>,
    /// The machine's start, in seconds since the epoch.
    pub(crate) boot: Option<u64>,
}

impl CpuTimes {
    pub(crate) fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line of `/proc/stat`: user nice system idle iowait irq softirq steal ...
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> =
            line.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        let &[user, nice, system, idle, iowait, irq, softirq, steal, ..] = ticks.as_slice() else {
            return None;
        };
        let sum = |ticks: &[u64]| ticks.iter().fold(0, |sum: u64, &t| sum.saturating_add(t));
        Some(Self {
            busy: sum(&[user, nice, system, irq, softirq, steal]),
            idle: sum(&[idle, iowait]),
        })
    }

    /// Share of the time since `earlier` that was not idle, 0 to 1; `None` if no time has passed.
    #[expect(clippy::cast_precision_loss, reason = "a metric is a double in the end")]
    pub(crate) fn utilization_since(self, earlier: Self) -> Option<f64> {
        let busy = self.busy.saturating_sub(earlier.busy) as f64;
        let all = busy + self.idle.saturating_sub(earlier.idle) as f64;
        (all > 0.0).then(|| busy / all)
    }
}

impl Memory {
    pub(crate) fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/meminfo").ok()?)
    }

    fn parse(meminfo: &str) -> Option<Self> {
        let total = kib_field(meminfo, "MemTotal:")?;
        let available = kib_field(meminfo, "MemAvailable:")?;
        Some(Self { total, used: total.saturating_sub(available) })
    }
}

impl Process {
    pub(crate) fn read() -> Option<Self> {
        let mut process = Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)?;
        process.resident_bytes = fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|status| kib_field(&status, "VmRSS:"));
        process.open_fds = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
        process.boot =
            fs::read_to_string("/proc/stat").ok().and_then(|stat| number_after(&stat, "btime"));
        Some(process)
    }

    /// `/proc/self/stat`; the command's name, which may hold anything, ends at the last `)`.
    #[expect(clippy::cast_precision_loss, reason = "a metric is a double in the end")]
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        // proc(5) counts from 1 and the state, our first, is its third.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_seconds: field(14)?.saturating_add(field(15)?) as f64 / TICKS_PER_SECOND,
            threads: field(20)?,
            started: field(22)? as f64 / TICKS_PER_SECOND,
            ..Self::default()
        })
    }
}

fn kib_field(text: &str, name: &str) -> Option<u64> {
    number_after(text, name)?.checked_mul(1024)
}

/// The number in the line that begins with `name`.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_times_exclude_idle_and_iowait() {
        let earlier = CpuTimes::parse("cpu  10 1 5 100 20 1 2 1 0 0\ncpu0 1 2 3").unwrap();
        assert_eq!(earlier, CpuTimes { busy: 20, idle: 120 });
        let later = CpuTimes::parse("cpu  20 1 5 110 40 1 2 1 0 0").unwrap();
        assert_eq!(later.utilization_since(earlier), Some(0.25));
        assert_eq!(later.utilization_since(later), None);
        assert_eq!(earlier.utilization_since(later), None, "counters that ran backwards");
        assert_eq!(CpuTimes::parse("cpu0 1 2 3"), None);
        assert_eq!(CpuTimes::parse("cpu  1 2 x"), None);
    }

    #[test]
    fn memory_used_is_what_is_not_available() {
        let meminfo = "MemTotal:  100 kB\nMemFree:  10 kB\nMemAvailable:  60 kB\n";
        assert_eq!(Memory::parse(meminfo), Some(Memory { total: 102_400, used: 40_960 }));
        assert_eq!(Memory::parse("MemTotal:  100 kB\n"), None);
    }

    #[test]
    fn process_names_may_hold_anything() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 9 18 4200 20 21";
        let expect = Process { cpu_seconds: 2.0, threads: 9, started: 42.0, ..Process::default() };
        assert_eq!(Process::parse(stat), Some(expect));
        assert_eq!(Process::parse("7 (a) S 1"), None);
    }
}
