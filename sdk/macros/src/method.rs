//! A marked method, taken apart: [`Method`].

use syn::{
    Error, FnArg, Generics, Ident, ImplItemFn, PatType, Receiver as SelfArgument, ReceiverKind, Safety, Signature,
};
use syn::{GenericParam, Type};

use crate::shape::{Output, Shape, is_host};

/// How a method takes `self`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiver {
    None,
    Shared,
    Exclusive,
}

/// What comes in after `self` and the host.
pub(crate) struct Input {
    /// How it crosses the boundary.
    pub(crate) shape: Shape,
    /// The type as written, for the place of errors.
    pub(crate) written: Type,
    /// Whether the method only looks at the value.
    pub(crate) is_borrowed: bool,
}

/// A method that the exports call.
pub(crate) struct Method {
    pub(crate) ident: Ident,
    pub(crate) receiver: Receiver,
    pub(crate) takes_host: bool,
    pub(crate) input: Option<Input>,
    pub(crate) output: Output,
}

impl Method {
    pub(crate) fn parse(item: &ImplItemFn) -> Result<Self, Error> {
        let signature = &item.sig;
        refuse_odd_functions(signature)?;
        refuse_type_parameters(&signature.generics)?;
        let mut arguments = signature.inputs.iter().peekable();
        let receiver = match arguments.next_if(|argument| matches!(argument, FnArg::Receiver(_))) {
            Some(FnArg::Receiver(receiver)) => parse_receiver(receiver)?,
            _ => Receiver::None,
        };
        let values: Vec<&PatType> = arguments.filter_map(typed).collect();
        let (takes_host, input) = parse_arguments(&values)?;
        let output = Output::of(&signature.output)?;
        Ok(Self {
            ident: signature.ident.clone(),
            receiver,
            takes_host,
            input,
            output,
        })
    }
}

fn typed(argument: &FnArg) -> Option<&PatType> {
    match argument {
        FnArg::Typed(value) => Some(value),
        FnArg::Receiver(_) => None,
    }
}

fn refuse_odd_functions(signature: &Signature) -> Result<(), Error> {
    if let Some(keyword) = &signature.asyncness {
        return Err(Error::new_spanned(
            keyword,
            "the host calls this method and waits: it cannot be `async`",
        ));
    }
    if let Safety::Unsafe(keyword) = &signature.safety {
        return Err(Error::new_spanned(
            keyword,
            "the host calls this method: it cannot be `unsafe`",
        ));
    }
    Ok(())
}

fn refuse_type_parameters(generics: &Generics) -> Result<(), Error> {
    for parameter in &generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            let message = "the host calls this method with bytes: its types must be known, not generic";
            return Err(Error::new_spanned(parameter, message));
        }
    }
    Ok(())
}

fn parse_receiver(receiver: &SelfArgument) -> Result<Receiver, Error> {
    match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => Ok(Receiver::Shared),
        ReceiverKind::Reference(_, _, Some(_)) => Ok(Receiver::Exclusive),
        _ => Err(Error::new_spanned(
            receiver,
            "the plugin outlives the call: take `&self` or `&mut self`",
        )),
    }
}

fn parse_arguments(values: &[&PatType]) -> Result<(bool, Option<Input>), Error> {
    match values {
        [] => Ok((false, None)),
        [host] if is_shared_host(host)? => Ok((true, None)),
        [input] => Ok((false, Some(parse_input(input)?))),
        [input, host] if is_shared_host(host)? && !is_host(&input.ty) => Err(Error::new_spanned(
            host,
            "the host comes first: `host: &Host, input: …`",
        )),
        [host, input] if is_shared_host(host)? => Ok((true, Some(parse_input(input)?))),
        [.., extra] => Err(Error::new_spanned(
            extra,
            "one input at most: put the values into one struct and mark it `#[data]`",
        )),
    }
}

fn is_shared_host(value: &PatType) -> Result<bool, Error> {
    match &*value.ty {
        Type::Reference(reference) if is_host(&value.ty) && reference.mutability.is_some() => {
            Err(Error::new_spanned(&value.ty, "the host is shared: take `&Host`"))
        }
        written => Ok(is_host(written)),
    }
}

fn parse_input(value: &PatType) -> Result<Input, Error> {
    let written = &*value.ty;
    match written {
        Type::Reference(reference) if reference.mutability.is_some() => Err(Error::new_spanned(
            written,
            "the input is read-only: take `&[u8]`, a value or a shared reference",
        )),
        Type::Reference(reference) if matches!(Shape::of(written), Shape::Json(_)) => match &*reference.elem {
            Type::Path(path) if !path.path.is_ident("str") => {
                let written = (*reference.elem).clone();
                Ok(Input {
                    shape: Shape::of(&written),
                    written,
                    is_borrowed: true,
                })
            }
            _ => {
                let message = "take JSON text as `String`, a list as `Vec`, raw bytes as `&[u8]`";
                Err(Error::new_spanned(written, message))
            }
        },
        Type::ImplTrait(_) => Err(Error::new_spanned(
            written,
            "the host sends bytes: name the type they become",
        )),
        _ => Ok(Input {
            shape: Shape::of(written),
            written: written.clone(),
            is_borrowed: false,
        }),
    }
}
