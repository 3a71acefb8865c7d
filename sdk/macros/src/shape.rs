//! How a type crosses the boundary, told by how it is written: [`Shape`].

use syn::{Error, GenericArgument, PathArguments, PathSegment, ReturnType, Type};

/// What a value is on the wire.
pub(crate) enum Shape {
    /// No bytes: `()`.
    Nothing,
    /// The bytes themselves, borrowed: `&[u8]`.
    Slice,
    /// The bytes themselves, owned: `Vec<u8>`.
    Vec,
    /// JSON of this type.
    Json(Box<Type>),
}

impl Shape {
    /// The shape of a type as written.
    pub(crate) fn of(written: &Type) -> Self {
        match written {
            Type::Paren(inner) => Self::of(&inner.elem),
            Type::Group(inner) => Self::of(&inner.elem),
            Type::Tuple(tuple) if tuple.elems.is_empty() => Self::Nothing,
            Type::Reference(reference) if is_slice_of_bytes(&reference.elem) => Self::Slice,
            Type::Path(_) if is_vec_of_bytes(written) => Self::Vec,
            _ => Self::Json(Box::new(written.clone())),
        }
    }
}

/// What a method gives back.
pub(crate) struct Output {
    /// The value, on success.
    pub(crate) shape: Shape,
    /// The type as written, for the place of errors; `None` when nothing is written.
    pub(crate) written: Option<Type>,
    /// Whether it is a `Result`.
    pub(crate) is_result: bool,
}

impl Output {
    pub(crate) fn of(output: &ReturnType) -> Result<Self, Error> {
        let ReturnType::Type(_, written) = output else {
            return Ok(Self {
                shape: Shape::Nothing,
                written: None,
                is_result: false,
            });
        };
        let Some(result) = last_segment(written).filter(|segment| segment.ident == "Result") else {
            return Ok(Self {
                shape: Shape::of(written),
                written: Some((**written).clone()),
                is_result: false,
            });
        };
        let Some(value) = first_type(result) else {
            return Err(Error::new_spanned(
                written,
                "write the type of the value out: `Result<Value, Reject>`",
            ));
        };
        Ok(Self {
            shape: Shape::of(value),
            written: Some((**written).clone()),
            is_result: true,
        })
    }
}

/// Whether a type is written as `&Host`, however long the path.
pub(crate) fn is_host(written: &Type) -> bool {
    let Type::Reference(reference) = written else {
        return false;
    };
    last_segment(&reference.elem).is_some_and(|segment| segment.ident == "Host" && segment.arguments.is_empty())
}

fn is_slice_of_bytes(written: &Type) -> bool {
    matches!(written, Type::Slice(slice) if is_byte(&slice.elem))
}

fn is_vec_of_bytes(written: &Type) -> bool {
    let segment = last_segment(written).filter(|segment| segment.ident == "Vec");
    segment.and_then(first_type).is_some_and(is_byte)
}

fn is_byte(written: &Type) -> bool {
    matches!(written, Type::Path(path) if path.path.is_ident("u8"))
}

fn last_segment(written: &Type) -> Option<&PathSegment> {
    match written {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

fn first_type(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(written) => Some(written),
        _ => None,
    })
}
