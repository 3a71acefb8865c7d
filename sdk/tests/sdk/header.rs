//! `palisade.h` against the ABI's table.

use palisade_abi::{IMPORTS, ValueType};

const HEADER: &str = include_str!("../../c/palisade.h");

/// Parameters and result of the declaration of an import.
fn declared(name: &str) -> Option<(Vec<ValueType>, Option<ValueType>)> {
    let (_, declaration) = HEADER.split_once(&format!("PALISADE_IMPORT(\"{name}\") "))?;
    let (declaration, _) = declaration.split_once(");")?;
    let (head, parameters) = declaration.split_once('(')?;
    let parameters = parameters.split(',').filter(|parameter| *parameter != "void");
    Some((parameters.filter_map(value_type).collect(), value_type(head)))
}

/// Pointers and `size_t` are `i32` to a module.
fn value_type(declaration: &str) -> Option<ValueType> {
    match declaration.split_whitespace().next() {
        Some("int64_t") => Some(ValueType::I64),
        Some("void") if !declaration.contains('*') => None,
        _ => Some(ValueType::I32),
    }
}

#[test]
fn every_import_is_declared_for_c_with_its_types() {
    for import in IMPORTS {
        let signature = import.signature;
        let parameters = signature.parameters.iter().map(|(_, value)| *value).collect();
        assert_eq!(
            declared(import.name),
            Some((parameters, signature.result)),
            "{}",
            import.name
        );
    }
    assert_eq!(HEADER.matches("PALISADE_IMPORT(\"").count(), IMPORTS.len());
}
