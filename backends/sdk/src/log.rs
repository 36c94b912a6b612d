//! The server's log.

use crate::{
    abi::{self, TRITONSERVER_LogLevel},
    raw::{c_string, check},
};

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Triton's")]
pub enum Level {
    Verbose,
    Info,
    Warn,
    Error,
}

/// Writes one line to the server's log; [`info!`](crate::info) and its siblings call this.
pub fn log(level: Level, file: &str, line: u32, message: &str) {
    let level = match level {
        Level::Verbose => TRITONSERVER_LogLevel::VERBOSE,
        Level::Info => TRITONSERVER_LogLevel::INFO,
        Level::Warn => TRITONSERVER_LogLevel::WARN,
        Level::Error => TRITONSERVER_LogLevel::ERROR,
    };
    // SAFETY: the call has no conditions.
    if !unsafe { abi::TRITONSERVER_LogIsEnabled(level) } {
        return;
    }
    let (file, message) = (c_string(file), c_string(message));
    let line = i32::try_from(line).unwrap_or(i32::MAX);
    // SAFETY: both texts are C strings that are live for the call.
    let logged =
        unsafe { abi::TRITONSERVER_LogMessage(level, file.as_ptr(), line, message.as_ptr()) };
    // A log that fails has no log to fail into.
    drop(check(logged));
}

/// Logs with `format!`'s arguments, when [`Level::Verbose`] is on.
#[macro_export]
macro_rules! verbose {
    ($($arg:tt)*) => { $crate::log($crate::Level::Verbose, file!(), line!(), &format!($($arg)*)) };
}

/// Logs what an operator may want to know, with `format!`'s arguments.
#[macro_export]
macro_rules! info {
    ($($arg:tt)*) => { $crate::log($crate::Level::Info, file!(), line!(), &format!($($arg)*)) };
}

/// Logs what an operator should look at, with `format!`'s arguments.
#[macro_export]
macro_rules! warn {
    ($($arg:tt)*) => { $crate::log($crate::Level::Warn, file!(), line!(), &format!($($arg)*)) };
}

/// Logs what failed, with `format!`'s arguments.
#[macro_export]
macro_rules! error {
    ($($arg:tt)*) => { $crate::log($crate::Level::Error, file!(), line!(), &format!($($arg)*)) };
}
