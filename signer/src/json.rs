//! Compact JSON that is safe to show: whatever a terminal would obey is written as `\u….`.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use palisade_bundle::is_unsafe_to_show;

/// Serialises `value` on one line.
pub(crate) fn to_vec(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(
        &mut bytes,
        SafeFormatter(CompactFormatter),
    ))?;
    Ok(bytes)
}

/// serde_json escapes C0; this adds DEL, C1 and the bidirectional characters.
struct SafeFormatter(CompactFormatter);

impl Formatter for SafeFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, char)) = rest.char_indices().find(|(_, char)| is_unsafe_to_show(*char)) {
            let (plain, tail) = rest.split_at(at);
            self.0.write_string_fragment(writer, plain)?;
            // Every such character is in the basic plane, so four digits are enough.
            write!(writer, "\\u{:04x}", u32::from(char))?;
            rest = tail.strip_prefix(char).unwrap_or_default();
        }
        self.0.write_string_fragment(writer, rest)
    }

    /// JSON of somebody else: line breaks in it stand between values, everything unsafe in strings.
    fn write_raw_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for part in fragment.split_inclusive(['\n', '\r', '\t']) {
            match part.strip_suffix(['\n', '\r', '\t']) {
                Some(text) => {
                    self.write_string_fragment(writer, text)?;
                    writer.write_all(b" ")?;
                }
                None => self.write_string_fragment(writer, part)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_nothing_from_programs_and_nothing_from_people() {
        let text = "a\u{1b}b\u{9b}c\u{202e}d\u{7f}é\"\\";
        let bytes = to_vec(&text).unwrap();
        let shown = std::str::from_utf8(&bytes).unwrap();
        assert_eq!(shown, r#""a\u001bb\u009bc\u202ed\u007fé\"\\""#);
        assert_eq!(serde_json::from_str::<String>(shown).unwrap(), text);
    }

    #[test]
    fn json_of_a_plugin_stays_what_it_is_on_one_line() {
        let theirs = "{\n  \"a\": 1.10,\r\n\t\"b\": \"\u{9b}\u{202e}é\"\n}";
        let raw: Box<serde_json::value::RawValue> = serde_json::from_str(theirs).unwrap();
        let bytes = to_vec(&raw).unwrap();
        let shown = std::str::from_utf8(&bytes).unwrap();
        assert_eq!(shown, "{   \"a\": 1.10,   \"b\": \"\\u009b\\u202eé\" }");
    }
}
