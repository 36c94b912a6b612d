//! Ids of requests whose clients gave none.

use std::{
    process,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

/// The header, or metadata, that carries a request's id.
pub const REQUEST_ID: &str = "x-request-id";

/// An id that no other request of this server has, nor one of another server in all likelihood.
pub fn generated_request_id() -> String {
    #[expect(clippy::disallowed_methods, reason = "another start of the server is another time")]
    static SERVER: LazyLock<u64> = LazyLock::new(|| {
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let nanos = started.map_or(0, |since| since.as_nanos());
        // The low bits change fastest, the process id tells servers of one machine apart.
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
        let low = nanos as u64;
        low ^ (u64::from(process::id()) << 40)
    });
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{:016x}-{:x}", *SERVER, NEXT.fetch_add(1, Ordering::Relaxed))
}
