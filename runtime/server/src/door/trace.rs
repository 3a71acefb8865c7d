//! Trace Context (W3C, level 1): which trace a request belongs to.

use axum::http::HeaderValue;

/// The header `traceparent` of a request, if it has a good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceParent(Option<Ids>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ids {
    trace: u128,
    flags: u8,
}

impl TraceParent {
    /// Reads `00-<32 hex>-<16 hex>-<2 hex>`; what is not of this form is as if it were not there.
    pub(crate) fn of(header: Option<&HeaderValue>) -> Self {
        Self(header.and_then(|header| parse(header.to_str().ok()?)))
    }

    /// The header of the answer: the same trace, and what was done here as a span of it.
    pub(crate) fn answer(self) -> Option<HeaderValue> {
        let Ids { trace, flags } = self.0?;
        let span = getrandom::u64().ok()?.max(1);
        format!("00-{trace:032x}-{span:016x}-{flags:02x}").parse().ok()
    }
}

fn parse(text: &str) -> Option<Ids> {
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    // A later version may have more parts, which this one does not read; `ff` is none.
    let is_known = version == "00" && parts.next().is_none() || version != "00" && version != "ff";
    if !is_known || !is_hex(version, 2) || !is_hex(trace, 32) || !is_hex(parent, 16) || !is_hex(flags, 2) {
        return None;
    }
    let ids = Ids {
        trace: u128::from_str_radix(trace, 16).ok()?,
        flags: u8::from_str_radix(flags, 16).ok()?,
    };
    let is_set = ids.trace != 0 && u64::from_str_radix(parent, 16).ok()? != 0;
    is_set.then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn check(text: &'static str, is_good: bool) {
        let answer = TraceParent::of(Some(&HeaderValue::from_static(text))).answer();
        assert_eq!(answer.is_some(), is_good, "{text}");
    }

    #[test]
    fn the_answer_is_of_the_same_trace_and_another_span() {
        let answer = TraceParent::of(Some(&HeaderValue::from_static(GOOD))).answer().unwrap();
        let answer = answer.to_str().unwrap();
        assert_eq!((&answer[..36], &answer[52..]), (&GOOD[..36], &GOOD[52..]));
        assert_ne!(&answer[36..52], &GOOD[36..52]);
    }

    #[test]
    fn what_is_malformed_is_as_if_it_were_not_there() {
        check(GOOD, true);
        check("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", true);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false);
        check("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false);
        check("00-00000000000000000000000000000000-b7ad6b7169203331-01", false);
        check("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false);
        check("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false);
        check("nonsense", false);
    }
}
