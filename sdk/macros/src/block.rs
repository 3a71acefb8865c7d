//! `#[plugin]` on an `impl` block: finds what is marked, takes the marks off, hands the rest to [`emit`](crate::emit).

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Error, Ident, ImplItem, ImplItemFn, ItemImpl, Meta, Type};

use crate::command::Command;
use crate::emit;
use crate::method::{Method, Receiver};
use crate::shape::Shape;

/// The marks a method may carry.
const MARKS: [&str; 5] = ["command", "init", "cleanup", "health", "on_event"];

/// The plugin, as its marked methods describe it.
pub(crate) struct Block {
    pub(crate) plugin: Type,
    pub(crate) commands: Vec<Command>,
    pub(crate) init: Option<Method>,
    pub(crate) cleanup: Option<Method>,
    pub(crate) health: Option<Method>,
    pub(crate) on_event: Option<Method>,
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut source: ItemImpl = match syn::parse2(item.clone()) {
        Ok(source) => source,
        Err(_) => {
            let message = "`#[plugin]` belongs on the `impl` block with the commands: `#[plugin] impl Greeter { … }`";
            let error = Error::new_spanned(first_line(&item), message).into_compile_error();
            return quote!(#error #item);
        }
    };
    let block = Block::take(arguments, &mut source);
    let written = block.map_or_else(Error::into_compile_error, |block| emit::emit(&block));
    quote!(#source #written)
}

/// The tokens up to the first body, so that an error does not underline a whole item.
fn first_line(item: &TokenStream) -> TokenStream {
    let is_head = |token: &proc_macro2::TokenTree| !matches!(token, proc_macro2::TokenTree::Group(_));
    item.clone()
        .into_iter()
        .skip_while(|token| !is_head(token))
        .take_while(is_head)
        .collect()
}

impl Block {
    /// Reads the block and takes the marks off; reports every mistake, not only the first.
    fn take(arguments: TokenStream, source: &mut ItemImpl) -> Result<Self, Error> {
        let mut mistakes = Mistakes::default();
        mistakes.check(refuse_odd_blocks(&arguments, source));
        let mut block = Self {
            plugin: (*source.self_ty).clone(),
            commands: Vec::new(),
            init: None,
            cleanup: None,
            health: None,
            on_event: None,
        };
        for item in &mut source.items {
            if let ImplItem::Fn(method) = item {
                let marks = take_marks(method);
                mistakes.check(block.add(&marks, method));
            }
        }
        mistakes.check(block.refuse_duplicates());
        mistakes.into_result().map(|()| block)
    }

    fn add(&mut self, marks: &[Attribute], item: &ImplItemFn) -> Result<(), Error> {
        let mark = match marks {
            [] => return refuse_missing_mark(&item.sig.ident),
            [mark] => mark,
            [_, second, ..] => return Err(Error::new_spanned(second, "one mark a method")),
        };
        if mark.path().is_ident("command") {
            self.commands.push(Command::parse(mark, item)?);
            return Ok(());
        }
        if !matches!(mark.meta, Meta::Path(_)) {
            return Err(Error::new_spanned(
                mark,
                format!("`{}` takes no options", mark.path().to_token_stream()),
            ));
        }
        let method = Method::parse(item)?;
        let slot = if mark.path().is_ident("init") {
            check_init(&method, item)?;
            &mut self.init
        } else if mark.path().is_ident("cleanup") {
            check_cleanup(&method, item)?;
            &mut self.cleanup
        } else if mark.path().is_ident("health") {
            refuse_input(&method)?;
            &mut self.health
        } else {
            &mut self.on_event
        };
        match slot.replace(method) {
            Some(_) => Err(Error::new_spanned(mark, "only one method can carry this mark")),
            None => Ok(()),
        }
    }

    fn refuse_duplicates(&self) -> Result<(), Error> {
        let mut mistakes = Mistakes::default();
        for (index, command) in self.commands.iter().enumerate() {
            let name = command.name.value();
            if self
                .commands
                .iter()
                .take(index)
                .any(|earlier| earlier.name.value() == name)
            {
                let message = format!("there is another command named `{name}`");
                mistakes.check(Err(Error::new(command.name.span(), message)));
            }
        }
        mistakes.into_result()
    }
}

/// Every mistake found so far, as one error.
#[derive(Default)]
struct Mistakes(Option<Error>);

impl Mistakes {
    fn check(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            match &mut self.0 {
                Some(earlier) => earlier.combine(error),
                None => self.0 = Some(error),
            }
        }
    }

    fn into_result(self) -> Result<(), Error> {
        self.0.map_or(Ok(()), Err)
    }
}

fn take_marks(method: &mut ImplItemFn) -> Vec<Attribute> {
    let is_mark = |attribute: &mut Attribute| MARKS.iter().any(|mark| attribute.path().is_ident(mark));
    method.attrs.extract_if(.., is_mark).collect()
}

fn refuse_odd_blocks(arguments: &TokenStream, source: &ItemImpl) -> Result<(), Error> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "`#[plugin]` takes no arguments"));
    }
    if let Some((name, _)) = &source.trait_ {
        return Err(Error::new_spanned(
            name,
            "commands stand in an `impl` block of the type itself, not of a trait",
        ));
    }
    if !source.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &source.generics,
            "a plugin is one type: it cannot be generic",
        ));
    }
    Ok(())
}

fn refuse_missing_mark(ident: &Ident) -> Result<(), Error> {
    match MARKS.iter().skip(1).find(|mark| ident == *mark) {
        Some(mark) => Err(Error::new(
            ident.span(),
            format!("the host calls `{mark}` only when it is marked `#[{mark}]`: mark it or give it another name"),
        )),
        None => Ok(()),
    }
}

fn refuse_input(method: &Method) -> Result<(), Error> {
    match &method.input {
        Some(input) => Err(Error::new_spanned(
            &input.written,
            "the host passes nothing but `&Host` here",
        )),
        None => Ok(()),
    }
}

fn check_init(method: &Method, item: &ImplItemFn) -> Result<(), Error> {
    refuse_input(method)?;
    match (method.receiver, &method.output.shape) {
        (Receiver::Shared, _) => Err(Error::new_spanned(
            item.sig.receiver(),
            "take `&mut self` to set the plugin up, or no `self` and return it",
        )),
        (Receiver::Exclusive, Shape::Nothing) | (Receiver::None, Shape::Json(_)) => Ok(()),
        (Receiver::Exclusive, _) => Err(Error::new_spanned(
            &item.sig.output,
            "return nothing or `Result<(), E>`: the plugin is there already",
        )),
        (Receiver::None, _) => Err(Error::new_spanned(
            &item.sig,
            "return `Self` or `Result<Self, E>`, or take `&mut self`",
        )),
    }
}

fn check_cleanup(method: &Method, item: &ImplItemFn) -> Result<(), Error> {
    refuse_input(method)?;
    match method.output.shape {
        Shape::Nothing => Ok(()),
        _ => Err(Error::new_spanned(
            &item.sig.output,
            "return nothing or `Result<(), E>`: nobody reads more",
        )),
    }
}
