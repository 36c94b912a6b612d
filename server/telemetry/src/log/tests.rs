use super::*;
use std::io::Write;
use tracing::{debug, error, info, info_span, subscriber::with_default, trace, warn};

/// What was written.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// Runs `body` under a log of its own: the global subscriber is left alone. One at a time, since what the
/// most talkative log of the process wants to hear is kept once for all.
fn logging(settings: LogSettings, body: impl FnOnce(&Page, &LogControl)) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let page = Page::default();
    let writer = page.clone();
    let (subscriber, control) = build(settings, BoxMakeWriter::new(move || writer.clone()));
    with_default(subscriber, || body(&page, &control));
}

fn say_everything() {
    error!("e");
    warn!("w");
    info!("i");
    debug!("d");
    trace!("t");
    info!(target: "library", "li");
    debug!(target: "library", "ld");
    info!(target: "backend", "bi");
    debug!(target: "backend", "bd");
}

fn messages(page: &Page) -> Vec<String> {
    let text = |line: &String| line.split("] ").nth(1).unwrap_or("?").to_owned();
    page.lines().iter().map(text).collect()
}

#[test]
fn severities_are_switched_one_by_one_at_run_time() {
    logging(LogSettings::default(), |page, control| {
        let check = |update: LogUpdate, expect: &[&str]| {
            control.update(update).unwrap();
            say_everything();
            assert_eq!(messages(page), expect);
        };
        let keep = LogUpdate::default;
        check(keep(), &["e", "w", "i", "bi"]);
        check(
            LogUpdate { verbose_level: Some(1), ..keep() },
            &["e", "w", "i", "d", "li", "bi", "bd"],
        );
        check(
            LogUpdate { verbose_level: Some(2), ..keep() },
            &["e", "w", "i", "d", "t", "li", "ld", "bi", "bd"],
        );
        check(LogUpdate { verbose_level: Some(0), info: Some(false), ..keep() }, &["e", "w"]);
        check(LogUpdate { error: Some(false), ..keep() }, &["w"]);
        check(LogUpdate { warning: Some(false), info: Some(true), ..keep() }, &["i", "bi"]);
        assert_eq!(
            control.settings(),
            LogSettings { error: false, warning: false, ..LogSettings::default() }
        );
    });
}

#[test]
fn a_line_has_time_severity_target_fields_and_spans() {
    logging(LogSettings::default(), |page, control| {
        let span = info_span!("request", id = "r1", model = %"simple");
        let _inside = span.enter();
        info!(version = 3, "two\nlines");
        let format = LogUpdate { format: Some(LogFormat::Iso8601), ..LogUpdate::default() };
        control.update(format).unwrap();
        warn!("done");
        let lines = page.lines();
        let [first, second] = lines.as_slice() else { panic!("{lines:?}") };
        let tail = concat!(
            " hippocamp_telemetry::log::tests] ",
            r#"two\nlines version=3 id="r1" model=simple"#
        );
        assert!(first.starts_with('I') && first.ends_with(tail), "{first}");
        assert_eq!(first.find(' '), Some("I0611".len()), "{first}");
        assert!(second.contains("Z W hippocamp_telemetry::log::tests] done"), "{second}");
    });
}

#[test]
fn the_file_is_read_only() {
    logging(LogSettings::default(), |_, control| {
        let update = LogUpdate {
            file: Some("/tmp/elsewhere".to_owned()),
            info: Some(false),
            ..LogUpdate::default()
        };
        let error = control.update(update).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported);
        assert!(control.settings().info, "nothing of it was taken over");
        let same = LogUpdate { file: Some(String::new()), ..LogUpdate::default() };
        control.update(same).unwrap();
    });
}

#[test]
fn formats_have_tritons_names() {
    for format in [LogFormat::Default, LogFormat::Iso8601] {
        assert_eq!(format.name().parse::<LogFormat>(), Ok(format));
    }
    let error = "iso".parse::<LogFormat>().unwrap_err();
    assert!(error.message().starts_with("invalid argument for log_format, got: iso"));
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let settings = LogSettings { file: "/nowhere/at/all.log".to_owned(), ..LogSettings::default() };
    let error = init(settings).unwrap_err();
    assert!(error.message().contains("'/nowhere/at/all.log'"), "{error}");
}
