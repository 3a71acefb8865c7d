//! Bytes in, bytes out, with an ordinary crate compiled in.

use palisade_sdk::{Reject, plugin};
use pulldown_cmark::{Event, Options, Parser, html};

/// Renders Markdown.
#[derive(Default)]
pub struct Markdown;

#[plugin]
impl Markdown {
    /// Turns CommonMark, with tables, footnotes, task lists and strikethrough, into an HTML fragment. HTML in the text is
    /// shown, not obeyed.
    #[command(idempotent)]
    pub fn render(&self, input: &[u8]) -> Result<Vec<u8>, Reject> {
        let text = std::str::from_utf8(input)?;
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_STRIKETHROUGH;
        let events = Parser::new_ext(text, options).map(|event| match event {
            Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
            event => event,
        });
        let mut rendered = String::with_capacity(text.len() * 2);
        html::push_html(&mut rendered, events);
        Ok(rendered.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(markdown: &str, html: &str) {
        let rendered = Markdown.render(markdown.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(rendered).unwrap(), html);
    }

    #[test]
    fn renders_common_mark_and_tables() {
        check(
            "# Hi\n\n*you* & `me`\n",
            "<h1>Hi</h1>\n<p><em>you</em> &amp; <code>me</code></p>\n",
        );
        check(
            "|a|\n|-|\n|~~b~~|\n",
            "<table><thead><tr><th>a</th></tr></thead><tbody>\n<tr><td><del>b</del></td></tr>\n</tbody></table>\n",
        );
    }

    #[test]
    fn shows_html_instead_of_obeying_it() {
        check("a <b>c</b>\n", "<p>a &lt;b&gt;c&lt;/b&gt;</p>\n");
        check("<script>x</script>\n", "&lt;script&gt;x&lt;/script&gt;\n");
    }

    #[test]
    fn refuses_what_is_no_text() {
        assert_eq!(Markdown.render(b"\xff").unwrap_err().code, Reject::INVALID_ARGUMENT);
    }
}
