//! Validation with exactly the WASM features plugins may use.

use wasmparser::types::Types;
use wasmparser::{
    FuncToValidate, FuncValidatorAllocations, FunctionBody, Parser, ValidPayload, Validator, ValidatorResources,
    WasmFeatures,
};

use super::{ModuleError, ModuleLimit};

/// What stable Rust, clang, TinyGo and AssemblyScript emit by default: WASM 2.0 (bulk memory, reference types,
/// multi-value, sign extension, saturating conversion, mutable globals, SIMD) and extended constant expressions.
/// Everything else is off: threads, memory64, multi-memory, GC, exceptions, tail calls, relaxed SIMD, stack
/// switching, custom page sizes.
pub(super) const FEATURES: WasmFeatures = WasmFeatures::WASM2.union(WasmFeatures::EXTENDED_CONST);

/// Validates a module that is within the limits a survey checks, and checks the one limit that needs the operators:
/// nesting.
pub(super) fn validate(wasm: &[u8]) -> Result<Types, ModuleError> {
    let mut parser = Parser::new(0);
    parser.set_features(FEATURES);
    let mut validator = Validator::new_with_features(FEATURES);
    let mut allocations = FuncValidatorAllocations::default();
    for payload in parser.parse_all(wasm) {
        match validator.payload(&payload?)? {
            ValidPayload::Func(function, body) => allocations = validate_body(function, &body, allocations)?,
            ValidPayload::End(types) => return Ok(types),
            ValidPayload::Ok | ValidPayload::Parser(_) => {}
        }
    }
    let offset = u64::try_from(wasm.len()).unwrap_or(u64::MAX);
    Err(ModuleError::Malformed {
        offset,
        reason: "the module does not end".to_owned(),
    })
}

fn validate_body(
    function: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'_>,
    allocations: FuncValidatorAllocations,
) -> Result<FuncValidatorAllocations, ModuleError> {
    let index = function.index;
    let mut validator = function.into_validator(allocations);
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    // The function itself is the outermost frame and no block.
    let deepest = ModuleLimit::Nesting.maximum() + 1;
    while !reader.eof() {
        reader.visit_operator(&mut validator.visitor(reader.original_position()))??;
        let frames = u64::from(validator.control_stack_height());
        if frames > deepest {
            return Err(ModuleError::in_body(ModuleLimit::Nesting, frames - 1, index));
        }
    }
    reader.finish_expression(&validator.visitor(reader.original_position()))?;
    Ok(validator.into_allocations())
}
