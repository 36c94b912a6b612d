//! Who may call what: restricted groups of routes, and API keys.
#![forbid(unsafe_code)]
