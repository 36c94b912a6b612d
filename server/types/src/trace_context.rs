//! W3C trace context: what the headers `traceparent` and `tracestate` say about the caller.
//!
//! Read strictly, as <https://www.w3.org/TR/trace-context/> has it; what is malformed counts as
//! absent.

use std::fmt;

/// Members of a `tracestate`; the specification's bound.
const MAX_MEMBERS: usize = 32;

/// Bytes of a `tracestate` that are carried on; what is longer is dropped whole. The specification
/// asks for 512 at least.
const MAX_STATE_BYTES: usize = 4096;

/// `traceparent` of version 00: `00-<32 hex>-<16 hex>-<2 hex>`.
const LENGTH: usize = 55;

/// Where in a distributed trace a request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Never 0.
    pub trace_id: u128,
    /// The span that the request was sent from; never 0.
    pub span_id: u64,
    /// Bit 0: the caller records its part.
    pub flags: u8,
    /// `tracestate`, its members in order; empty for none.
    pub state: String,
}

impl TraceContext {
    /// Reads the two headers, each with every value it came with.
    pub fn parse<'a>(
        parents: impl IntoIterator<Item = &'a [u8]>,
        states: impl IntoIterator<Item = &'a [u8]>,
    ) -> Option<Self> {
        let mut parents = parents.into_iter();
        let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
        let (trace_id, span_id, flags) = parse_parent(parent)?;
        let state = parse_state(states).unwrap_or_default();
        Some(Self { trace_id, span_id, flags, state })
    }

    /// Whether the caller records its part of the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 != 0
    }
}

/// The value of `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

fn parse_parent(text: &[u8]) -> Option<(u128, u64, u8)> {
    let field = |range: std::ops::Range<usize>| hex(text.get(range)?);
    let dashes = [2, 35, 52].iter().all(|&at| text.get(at) == Some(&b'-'));
    let version = field(0..2)?;
    // A later version may say more, behind another dash; this one must not.
    let whole = match text.get(LENGTH) {
        None => true,
        Some(b'-') => version != 0,
        Some(_) => false,
    };
    if !dashes || !whole || version == 0xff {
        return None;
    }
    let (trace_id, span_id) = (field(3..35)?, u64::try_from(field(36..52)?).ok()?);
    let flags = u8::try_from(field(53..55)?).ok()?;
    // Later versions may give the other bits a meaning that is not known here.
    let known = if version == 0 { flags } else { flags & 1 };
    (trace_id != 0 && span_id != 0).then_some((trace_id, span_id, known))
}

/// Lower-case digits only.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

/// The members of all values, in order; `None` if one of them is malformed or a key stands twice.
fn parse_state<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<String> {
    let mut state = String::new();
    let mut keys: Vec<&str> = Vec::new();
    for value in values {
        for member in std::str::from_utf8(value).ok()?.split(',') {
            let member = member.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            if !is_key(key) || !is_value(value) || keys.contains(&key) || keys.len() == MAX_MEMBERS
            {
                return None;
            }
            keys.push(key);
            if !state.is_empty() {
                state.push(',');
            }
            state.push_str(member);
            if state.len() > MAX_STATE_BYTES {
                return None;
            }
        }
    }
    Some(state)
}

/// `name`, or `tenant@system`.
fn is_key(key: &str) -> bool {
    let part = |part: &str, longest: usize, digit_first: bool| {
        let mut bytes = part.bytes();
        let first = bytes
            .next()
            .is_some_and(|b| b.is_ascii_lowercase() || digit_first && b.is_ascii_digit());
        let rest = bytes.all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'*' | b'/')
        });
        first && rest && part.len() <= longest
    };
    match key.split_once('@') {
        None => part(key, 256, false),
        Some((tenant, system)) => part(tenant, 241, true) && part(system, 14, false),
    }
}

/// Printable ASCII without `,` and `=`, at most 256 of it, not ending in a space.
fn is_value(value: &str) -> bool {
    let printable = value.bytes().all(|b| matches!(b, 0x20..=0x7e) && b != b',' && b != b'=');
    printable && (1..=256).contains(&value.len()) && !value.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parse(parent: &str, states: &[&str]) -> Option<TraceContext> {
        TraceContext::parse([parent.as_bytes()], states.iter().map(|state| state.as_bytes()))
    }

    #[test]
    fn a_parent_is_read_and_written() {
        let context = parse(GOOD, &[]).unwrap();
        assert_eq!(context.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!((context.span_id, context.flags), (0x00f0_67aa_0ba9_02b7, 1));
        assert!(context.is_sampled());
        assert_eq!(context.to_string(), GOOD);
    }

    #[test]
    fn what_is_malformed_is_absent() {
        let check = |parent: &str, expect: bool| {
            assert_eq!(parse(parent, &[]).is_some(), expect, "{parent}");
        };
        check(GOOD, true);
        check(&GOOD.replace("-01", "-00"), true);
        check(&GOOD.replace("-01", "-ff"), true);
        // A version that is not known yet: the same fields, perhaps more behind them.
        check(&GOOD.replace("00-4", "cc-4"), true);
        check(&(GOOD.replace("00-4", "cc-4") + "-what-the-future-will-be-like"), true);
        check(&(GOOD.replace("00-4", "cc-4") + ".what"), false);
        check(&(GOOD.to_owned() + "-more"), false);
        check(&GOOD.replace("00-4", "ff-4"), false);
        check(&GOOD.replace("4bf9", "4BF9"), false);
        check(&GOOD.replace("4bf9", "4bg9"), false);
        check(&GOOD[..54], false);
        check(&GOOD.replace("-00f0", "_00f0"), false);
        check("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false);
        check("00-ä", false);
        check("", false);
        assert_eq!(TraceContext::parse([GOOD.as_bytes(), GOOD.as_bytes()], []), None);
        assert_eq!(TraceContext::parse([], []), None);
    }

    #[test]
    fn a_malformed_state_loses_the_state_alone() {
        let check = |states: &[&str], expect: &str| {
            assert_eq!(parse(GOOD, states).unwrap().state, expect, "{states:?}");
        };
        check(&["a=1,b=2"], "a=1,b=2");
        check(&["a=1", "b=2 2"], "a=1,b=2 2");
        check(&[" a=1 ,\t,b=2"], "a=1,b=2");
        check(&["1t@sys=x"], "1t@sys=x");
        check(&["a=1,a=2"], "");
        check(&["A=1"], "");
        check(&["a"], "");
        check(&["a=b=c"], "");
        check(&["1a=b"], "");
        check(&["a=\u{7f}"], "");
        check(&[&format!("a={}", "x".repeat(257))], "");
        let many =
            |count: usize| (0..count).map(|i| format!("k{i}=v")).collect::<Vec<_>>().join(",");
        check(&[&many(32)], &many(32));
        check(&[&many(33)], "");
    }
}
