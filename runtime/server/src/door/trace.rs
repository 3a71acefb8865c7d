//! Trace Context (W3C, level 1): which trace a request belongs to, and the span of what is done here.

use axum::http::HeaderValue;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::field::Empty;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header `traceparent` of a request, if it has a good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceParent(Option<Ids>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ids {
    trace: u128,
    parent: u64,
    flags: u8,
}

impl TraceParent {
    /// Reads `00-<32 hex>-<16 hex>-<2 hex>`; what is not of this form is as if it were not there.
    pub(crate) fn of(header: Option<&HeaderValue>) -> Self {
        Self(header.and_then(|header| parse(header.to_str().ok()?)))
    }

    /// The span of a request, which is a child of its sender's where traces are collected.
    pub(crate) fn span(self, method: &str, path: &str) -> Span {
        let span = info_span!("http.request", method, path, status = Empty);
        if let (false, Some(ids)) = (span.is_disabled(), self.0) {
            let sender = SpanContext::new(
                TraceId::from_bytes(ids.trace.to_be_bytes()),
                SpanId::from_bytes(ids.parent.to_be_bytes()),
                TraceFlags::new(ids.flags),
                true,
                TraceState::NONE,
            );
            // Whoever collects something else than traces has no parents.
            let _ = span.set_parent(Context::new().with_remote_span_context(sender));
        }
        span
    }

    /// The header of the answer: the same trace, and what was done here as a span of it.
    pub(crate) fn answer(self, span: &Span) -> Option<HeaderValue> {
        let Ids { trace, flags, .. } = self.0?;
        let own = u64::from_be_bytes(span.context().span().span_context().span_id().to_bytes());
        let own = match own {
            0 => getrandom::u64().ok()?.max(1),
            own => own,
        };
        format!("00-{trace:032x}-{own:016x}-{flags:02x}").parse().ok()
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
        parent: u64::from_str_radix(parent, 16).ok()?,
        flags: u8::from_str_radix(flags, 16).ok()?,
    };
    let is_set = ids.trace != 0 && ids.parent != 0;
    is_set.then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn check(text: &'static str, is_good: bool) {
        let answer = TraceParent::of(Some(&HeaderValue::from_static(text))).answer(&Span::none());
        assert_eq!(answer.is_some(), is_good, "{text}");
    }

    #[test]
    fn the_answer_is_of_the_same_trace_and_another_span() {
        let answer = TraceParent::of(Some(&HeaderValue::from_static(GOOD)))
            .answer(&Span::none())
            .unwrap();
        let answer = answer.to_str().unwrap();
        let (answer, sent): (Vec<_>, Vec<_>) = (answer.split('-').collect(), GOOD.split('-').collect());
        assert_eq!((answer[0], answer[1], answer[3]), (sent[0], sent[1], sent[3]));
        assert_ne!(answer[2], sent[2]);
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
