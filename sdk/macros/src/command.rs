//! A method marked `#[command]`: [`Command`].

use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ExprLit, ImplItemFn, Lit, LitStr, Meta};

use crate::method::Method;

/// The longest name of a command that a manifest takes.
const NAME_MAX_BYTES: usize = 64;

/// One command.
pub(crate) struct Command {
    pub(crate) method: Method,
    pub(crate) name: LitStr,
    pub(crate) description: String,
    pub(crate) is_idempotent: bool,
}

impl Command {
    pub(crate) fn parse(mark: &Attribute, item: &ImplItemFn) -> Result<Self, Error> {
        let method = Method::parse(item)?;
        let mut name = None;
        let mut is_idempotent = false;
        if !matches!(mark.meta, Meta::Path(_)) {
            mark.parse_nested_meta(|option| {
                if option.path.is_ident("name") {
                    name = Some(option.value()?.parse()?);
                } else if option.path.is_ident("idempotent") {
                    is_idempotent = true;
                } else {
                    return Err(option.error("expected `name = \"…\"` or `idempotent`"));
                }
                Ok(())
            })?;
        }
        let name =
            name.unwrap_or_else(|| LitStr::new(method.ident.to_string().trim_start_matches("r#"), method.ident.span()));
        check_name(&name)?;
        refuse_cfg(item)?;
        Ok(Self {
            method,
            name,
            description: description(&item.attrs),
            is_idempotent,
        })
    }
}

/// The rule of the manifest.
fn check_name(name: &LitStr) -> Result<(), Error> {
    let text = name.value();
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase());
    if !starts_well || text.len() > NAME_MAX_BYTES || !text.bytes().all(is_allowed) {
        let message = "a command's name is a letter a-z, then up to 63 of a-z, 0-9, `_` and `-`";
        return Err(Error::new(name.span(), message));
    }
    Ok(())
}

fn refuse_cfg(item: &ImplItemFn) -> Result<(), Error> {
    match item.attrs.iter().find(|attribute| attribute.path().is_ident("cfg")) {
        Some(cfg) => Err(Error::new(
            cfg.span(),
            "a command is always there: put what differs into its body",
        )),
        None => Ok(()),
    }
}

/// The doc comment: lines of a paragraph joined by a space, paragraphs kept apart.
fn description(attributes: &[Attribute]) -> String {
    let mut description = String::new();
    for line in attributes.iter().filter_map(doc_line) {
        let line = line.trim();
        if line.is_empty() {
            description.push_str("\n\n");
        } else {
            if !description.is_empty() && !description.ends_with('\n') {
                description.push(' ');
            }
            description.push_str(line);
        }
    }
    description.trim().to_owned()
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text), ..
            }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
