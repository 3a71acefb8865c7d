//! The few styles of human output.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// Text in a style.
#[derive(Clone, Copy, Debug)]
pub struct Styled<T> {
    style: Style,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Styled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:#}", self.style, self.text, self.style)
    }
}

/// Bold red.
pub fn error<T: fmt::Display>(text: T) -> Styled<T> {
    Styled {
        style: AnsiColor::Red.on_default().bold(),
        text,
    }
}

/// Bold yellow.
pub fn warning<T: fmt::Display>(text: T) -> Styled<T> {
    Styled {
        style: AnsiColor::Yellow.on_default().bold(),
        text,
    }
}

/// Bold green.
pub fn good<T: fmt::Display>(text: T) -> Styled<T> {
    Styled {
        style: AnsiColor::Green.on_default().bold(),
        text,
    }
}

/// Bold cyan, for `help:` lines.
pub fn help<T: fmt::Display>(text: T) -> Styled<T> {
    Styled {
        style: AnsiColor::Cyan.on_default().bold(),
        text,
    }
}

/// Bold, for headings and what stands out.
pub fn heading<T: fmt::Display>(text: T) -> Styled<T> {
    Styled {
        style: Style::new().bold(),
        text,
    }
}

/// The style of every `--help`.
#[must_use]
pub fn of_help() -> clap::builder::Styles {
    clap::builder::Styles::styled()
        .header(Style::new().bold())
        .usage(Style::new().bold())
        .literal(AnsiColor::Cyan.on_default())
        .placeholder(AnsiColor::Cyan.on_default())
}
