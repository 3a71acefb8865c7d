//! What a browser sends in a form: [`Form`].

use axum::body::Body;

use crate::body;
use crate::rejection::Rejection;
use crate::request_error::RequestError;

/// A form, at most as large as any JSON with what percent signs add to it.
const MAX_FORM_BYTES: u64 = 3 * body::MAX_JSON_BYTES;

/// The fields of a form or of a query, in their order. A name may occur several times.
#[derive(Clone, Debug, Default)]
pub(super) struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    /// Reads the body of a request.
    pub(super) async fn read(body: Body) -> Result<Self, Rejection> {
        let bytes = body::bytes(body, MAX_FORM_BYTES).await?;
        Self::parse(&bytes).ok_or_else(|| {
            let reason = "the form is not of this page".to_owned();
            RequestError::Body { reason }.reject()
        })
    }

    /// `application/x-www-form-urlencoded` (WHATWG URL, 5.1); `None` when a percent sign is followed by no byte, or
    /// something is no UTF-8.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let pairs = bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let fields = pairs.map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let mut half = || decoded(halves.next().unwrap_or_default());
            Some((half()?, half()?))
        });
        Some(Self {
            fields: fields.collect::<Option<_>>()?,
        })
    }

    /// The fields of a query; none of them when it cannot be read.
    pub(super) fn of_query(query: Option<&str>) -> Self {
        query
            .and_then(|query| Self::parse(query.as_bytes()))
            .unwrap_or_default()
    }

    /// What a field holds. Line ends are one character, as they were typed.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields.find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// What a field holds; nothing when it is left empty.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// What all fields of a name hold.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.fields.iter().filter(move |(known, _)| known == name);
        named.map(|(_, text)| text.as_str())
    }

    #[cfg(test)]
    pub(super) fn of(fields: &[(&str, &str)]) -> Self {
        let fields = fields
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Self {
            fields: fields.collect(),
        }
    }
}

fn decoded(half: &[u8]) -> Option<String> {
    let mut bytes = half.iter().copied();
    let mut text = Vec::with_capacity(half.len());
    while let Some(byte) = bytes.next() {
        text.push(match byte {
            b'+' => b' ',
            b'%' => {
                let pair = [bytes.next()?, bytes.next()?];
                // A sign before the digits would be read as a number, too.
                let pair = std::str::from_utf8(&pair).ok().filter(|pair| !pair.starts_with('+'))?;
                u8::from_str_radix(pair, 16).ok()?
            }
            byte => byte,
        });
    }
    // Browsers send a line end as two characters, whatever was typed.
    Some(String::from_utf8(text).ok()?.replace("\r\n", "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_browser_sends() {
        let form = Form::parse(b"a=1+2&b=%26%3D%C3%A9&empty=&a=three&line=x%0D%0Ay&bare").unwrap();
        assert_eq!(form.all("a").collect::<Vec<_>>(), ["1 2", "three"]);
        assert_eq!(form.text("b"), Some("&=é"));
        assert_eq!(form.text("empty"), Some(""));
        assert_eq!(form.filled("empty"), None);
        assert_eq!(form.text("line"), Some("x\ny"));
        assert_eq!(form.text("bare"), Some(""));
        assert_eq!(form.text("nothing"), None);
    }

    #[test]
    fn refuses_what_is_no_text() {
        for bytes in [&b"a=%"[..], b"a=%4", b"a=%zz", b"a=%ff", b"%+1=a"] {
            assert!(Form::parse(bytes).is_none(), "{bytes:?}");
        }
    }
}
