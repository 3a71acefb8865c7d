//! What `#[plugin]` writes: an `impl Plugin`, and the exports through `palisade_sdk::__export!`.

use proc_macro2::{Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::block::Block;
use crate::command::Command;
use crate::method::{Method, Receiver};
use crate::shape::Shape;

pub(crate) fn emit(block: &Block) -> TokenStream {
    let plugin = &block.plugin;
    let names: Vec<_> = block.commands.iter().map(|command| &command.name).collect();
    let start = start(block);
    let arms = block.commands.iter().map(arm);
    let cleanup = block.cleanup.as_ref().map(cleanup);
    let health = block.health.as_ref().map(|method| hook("health", method));
    let on_event = block.on_event.as_ref().map(|method| hook("on_event", method));
    let descriptions = block.commands.iter().map(description);
    let optional = [("health", &block.health), ("on_event", &block.on_event)];
    let optional = optional
        .iter()
        .filter(|(_, method)| method.is_some())
        .map(|(name, _)| format_ident!("{name}"));
    quote! {
        #[automatically_derived]
        impl ::palisade_sdk::__private::Plugin for #plugin {
            const COMMANDS: &'static [&'static str] = &[#(#names),*];

            fn start(host: &::palisade_sdk::Host) -> ::core::result::Result<Self, ::palisade_sdk::Reject> {
                let _ = host;
                #start
            }

            fn command<'call>(
                &'call mut self,
                host: &'call ::palisade_sdk::Host,
                name: &'call [u8],
                call: ::palisade_sdk::__private::Call<'call>,
            ) -> ::core::result::Result<::palisade_sdk::__private::Answer<'call>, ::palisade_sdk::Reject> {
                let _ = (host, &call);
                match name {
                    #(#arms)*
                    _ => ::core::result::Result::Err(::palisade_sdk::__private::no_such_command(name, Self::COMMANDS)),
                }
            }

            #cleanup
            #health
            #on_event

            ::palisade_sdk::__describe! { #(#descriptions)* }
        }

        ::palisade_sdk::__export! { #plugin, #(#optional)* }
    }
}

fn start(block: &Block) -> TokenStream {
    let plugin = &block.plugin;
    let default = quote_spanned!(place(plugin)=> <#plugin as ::core::default::Default>::default());
    let Some(init) = &block.init else {
        return quote!(::core::result::Result::Ok(#default));
    };
    match init.receiver {
        Receiver::None if init.output.is_result => result(init, &quote!(self)),
        Receiver::None => {
            let made = result(init, &quote!(self));
            quote!(::core::result::Result::Ok(#made))
        }
        Receiver::Shared | Receiver::Exclusive => {
            let set_up = value(init, &quote!(&mut plugin));
            quote! {
                let mut plugin = #default;
                #set_up;
                ::core::result::Result::Ok(plugin)
            }
        }
    }
}

fn arm(command: &Command) -> TokenStream {
    let name = Literal::byte_string(command.name.value().as_bytes());
    let body = body(&command.method);
    quote!(#name => { #body })
}

fn hook(name: &str, method: &Method) -> TokenStream {
    let name = Ident::new(name, Span::call_site());
    let body = body(method);
    quote! {
        fn #name<'call>(
            &'call mut self,
            host: &'call ::palisade_sdk::Host,
            call: ::palisade_sdk::__private::Call<'call>,
        ) -> ::core::result::Result<::palisade_sdk::__private::Answer<'call>, ::palisade_sdk::Reject> {
            let _ = (host, &call);
            #body
        }
    }
}

fn cleanup(method: &Method) -> TokenStream {
    let value = value(method, &quote!(self));
    quote! {
        fn cleanup(&mut self, host: &::palisade_sdk::Host) -> ::core::result::Result<(), ::palisade_sdk::Reject> {
            let _ = host;
            #value;
            ::core::result::Result::Ok(())
        }
    }
}

/// Reads the input, calls the method, answers.
fn body(method: &Method) -> TokenStream {
    let input = method.input.as_ref().map(|input| {
        let read = match &input.shape {
            Shape::Nothing => quote!(()),
            Shape::Slice => quote!(call.bytes()),
            Shape::Vec => quote!(call.bytes().to_vec()),
            Shape::Json(_) => quote_spanned!(place(&input.written)=> call.json()?),
        };
        quote!(let input = #read;)
    });
    let value = value(method, &quote!(self));
    let answer = match &method.output.shape {
        Shape::Nothing => quote! {
            #value;
            ::core::result::Result::Ok(::palisade_sdk::__private::Answer::Nothing)
        },
        Shape::Slice => quote!(::core::result::Result::Ok(::palisade_sdk::__private::Answer::Borrowed(#value))),
        Shape::Vec => quote!(::core::result::Result::Ok(::palisade_sdk::__private::Answer::Owned(#value))),
        Shape::Json(written) => {
            let answer = quote_spanned!(place(written)=> call.answer_json(&value));
            quote! {
                let value = #value;
                #answer
            }
        }
    };
    quote!(#input #answer)
}

/// The call, and the way out for its error.
fn value(method: &Method, receiver: &TokenStream) -> TokenStream {
    let result = result(method, receiver);
    if method.output.is_result {
        quote!(#result?)
    } else {
        result
    }
}

/// The call; its error, if any, is a `Reject`.
fn result(method: &Method, receiver: &TokenStream) -> TokenStream {
    let Method {
        ident,
        takes_host,
        output,
        ..
    } = method;
    let receiver = (method.receiver != Receiver::None).then(|| quote!(#receiver,));
    let host = takes_host.then(|| quote!(host,));
    let input = method.input.as_ref().map(|input| {
        if input.is_borrowed {
            quote!(&input)
        } else {
            quote!(input)
        }
    });
    match &output.written {
        Some(written) if output.is_result => quote_spanned! {place(written)=>
            ::palisade_sdk::__private::rejecting(Self::#ident(#receiver #host #input))
        },
        _ => quote!(Self::#ident(#receiver #host #input)),
    }
}

/// One entry of `palisade_sdk::__describe!`.
fn description(command: &Command) -> TokenStream {
    let Command {
        method,
        name,
        description,
        is_idempotent,
    } = command;
    let input = method.input.as_ref().map(|input| &input.shape);
    let encoding = match input {
        Some(Shape::Slice | Shape::Vec) => quote!(Bytes),
        Some(Shape::Nothing | Shape::Json(_)) | None => quote!(Json),
    };
    let input = input.and_then(schema);
    let output = schema(&method.output.shape);
    quote!({
        name: #name, description: #description, idempotent: #is_idempotent,
        encoding: #encoding, input: [#input], output: [#output]
    })
}

/// The type whose schema to ask for.
fn schema(shape: &Shape) -> Option<TokenStream> {
    match shape {
        Shape::Json(written) if !matches!(**written, Type::ImplTrait(_)) => Some(without_lifetimes(quote!(#written))),
        _ => None,
    }
}

/// Named lifetimes belong to the method, which the description stands outside of.
fn without_lifetimes(tokens: TokenStream) -> TokenStream {
    let mut after_quote = false;
    let replaced = tokens.into_iter().map(|token| match token {
        TokenTree::Ident(ident) if std::mem::take(&mut after_quote) => {
            TokenTree::Ident(Ident::new("static", ident.span()))
        }
        TokenTree::Group(group) => TokenTree::Group(Group::new(group.delimiter(), without_lifetimes(group.stream()))),
        TokenTree::Punct(punct) => {
            after_quote = punct.as_char() == '\'';
            TokenTree::Punct(punct)
        }
        other => other,
    });
    replaced.collect()
}

/// Where an error about a type is shown; names resolve as everywhere in what the macro writes.
fn place(written: &Type) -> Span {
    written.span().resolved_at(Span::call_site())
}
