//! How an event becomes one line.

use std::{
    fmt::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// `<severity and time> <target>] <message and fields> <fields of the spans, innermost last>`.
#[derive(Debug)]
pub(super) struct LineFormat {
    pub(super) iso8601: Arc<AtomicBool>,
}

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let metadata = event.metadata();
        let severity = severity(*metadata.level());
        if self.iso8601.load(Ordering::Relaxed) {
            write!(writer, "{time} {severity}")?;
        } else {
            write!(writer, "{severity}{}", month_day_time(&time))?;
        }
        write!(writer, " {}] ", metadata.target())?;

        let mut line = String::new();
        context.format_fields(Writer::new(&mut line), event)?;
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>().map_or("", |f| f.fields.as_str());
            let space = if fields.is_empty() { "" } else { " " };
            write!(line, "{space}{fields}")?;
        }
        write_on_one_line(&mut writer, &line)?;
        writer.write_char('\n')
    }
}

/// Now, as `2026-06-11T10:14:03.291462Z`.
pub(crate) fn utc_now() -> String {
    let mut time = String::new();
    // A string takes any text.
    SystemTime.format_time(&mut Writer::new(&mut time)).unwrap_or_default();
    time
}

fn severity(level: Level) -> char {
    match level {
        Level::ERROR => 'E',
        Level::WARN => 'W',
        Level::INFO => 'I',
        _debug_or_trace => 'V',
    }
}

/// `2026-06-11T10:14:03.291462Z` -> `0611 10:14:03.291462`; anything else stays.
fn month_day_time(time: &str) -> String {
    let part = |range| time.get(range);
    match (part(5..7), part(8..10), part(11..26)) {
        (Some(month), Some(day), Some(clock)) => format!("{month}{day} {clock}"),
        _unexpected => time.to_owned(),
    }
}

/// Control characters are escaped: a client's text must not begin a line of its own.
fn write_on_one_line(writer: &mut Writer<'_>, line: &str) -> fmt::Result {
    for piece in line.split_inclusive(char::is_control) {
        match piece.chars().next_back().filter(|c| c.is_control()) {
            None => writer.write_str(piece)?,
            Some(control) => {
                writer.write_str(&piece[..piece.len() - control.len_utf8()])?;
                write!(writer, "{}", control.escape_default())?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_cut_as_triton_prints_it() {
        assert_eq!(month_day_time("2026-06-11T10:14:03.291462Z"), "0611 10:14:03.291462");
        assert_eq!(month_day_time("soon"), "soon");
    }

    #[test]
    fn control_characters_are_escaped() {
        let check = |line, expect| {
            let mut text = String::new();
            write_on_one_line(&mut Writer::new(&mut text), line).unwrap();
            assert_eq!(text, expect);
        };
        check("plain", "plain");
        check("a\nb\r", r"a\nb\r");
        check("\u{1b}[31mä\u{85}", r"\u{1b}[31mä\u{85}");
    }
}
