//! `#[data]`: hands the type to `palisade_sdk::__data!`, where the feature `describe` decides about schemas.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Item};

pub(crate) fn expand(arguments: &TokenStream, item: TokenStream) -> TokenStream {
    if !arguments.is_empty() {
        let error = Error::new_spanned(arguments, "`#[data]` takes no arguments").into_compile_error();
        return quote!(#error #item);
    }
    match syn::parse2(item.clone()) {
        Ok(Item::Struct(_) | Item::Enum(_)) => quote!(::palisade_sdk::__data! { #item }),
        Ok(other) => {
            let error = Error::new_spanned(&other, "`#[data]` belongs on a struct or an enum").into_compile_error();
            quote!(#error #item)
        }
        Err(error) => error.into_compile_error(),
    }
}
