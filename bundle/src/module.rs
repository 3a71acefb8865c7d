//! What a WASM module is made of, read without compiling it, and the limits it has to keep before anybody compiles it.

use std::fmt;

use wasmparser::types::{CoreTypeId, EntityType, TypesRef};
use wasmparser::{CompositeInnerType, FuncType, ValType};

mod error;
mod foreign;
mod limits;
mod survey;
mod validate;

pub use error::ModuleError;
pub use foreign::Foreign;
pub use limits::{
    MAX_BODY_BYTES, MAX_DATA_SEGMENTS, MAX_ELEMENT_SEGMENTS, MAX_EXPORTS, MAX_FUNCTIONS, MAX_GLOBALS, MAX_IMPORTS,
    MAX_LOCALS, MAX_MEMORIES, MAX_MODULE_BYTES, MAX_NESTING, MAX_SIGNATURE_TYPES, MAX_TABLE_ELEMENTS, MAX_TABLES,
    MAX_TYPES, ModuleLimit,
};
use survey::Survey;
use validate::FEATURES;

/// The outside of a valid core WASM module.
///
/// Having one proves: the bytes are a core module in binary form, within every [`ModuleLimit`], and valid under
/// exactly the WASM features plugins may use. It says nothing about what the module does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleOutline {
    /// What it needs from the host, in the order of the file.
    pub imports: Vec<Import>,
    /// What it offers, in the order of the file.
    pub exports: Vec<Export>,
    /// Its memories, imported ones first.
    pub memories: Vec<MemoryLimits>,
    /// Its tables, imported ones first.
    pub tables: Vec<TableLimits>,
    /// How many functions it defines.
    pub functions: u32,
    /// How many data segments it has.
    pub data_segments: u32,
    /// Bytes of all function bodies together.
    pub code_bytes: u64,
    /// Whether it has a start function, which runs before anything else.
    pub has_start: bool,
}

impl ModuleOutline {
    /// Reads and validates a module.
    ///
    /// Limits are checked while the sections stream past, before a function body is looked at; validation follows.
    /// Memory is bounded by the limits, time by the size.
    ///
    /// # Errors
    /// [`ModuleError::Foreign`] when the bytes are no core module, and what they are instead; [`ModuleError::Limit`]
    /// when one is passed; [`ModuleError::Feature`] when it uses a WASM feature that is off;
    /// [`ModuleError::Malformed`] otherwise.
    pub fn parse(wasm: &[u8]) -> Result<Self, ModuleError> {
        foreign::refuse(wasm)?;
        let survey = Survey::of(wasm)?;
        let types = validate::validate(wasm)?;
        Ok(Self::of(&survey, types.as_ref()))
    }

    /// The export of this name.
    #[must_use]
    pub fn export(&self, name: &str) -> Option<&Export> {
        self.exports.iter().find(|export| export.name == name)
    }

    fn of(survey: &Survey<'_>, types: TypesRef<'_>) -> Self {
        let imports = survey.imports.iter().filter_map(|import| {
            let (kind, signature) = describe(types, types.entity_type_from_import(import)?);
            Some(Import {
                module: import.module.to_owned(),
                name: import.name.to_owned(),
                kind,
                signature,
            })
        });
        let exports = survey.exports.iter().filter_map(|export| {
            let (kind, signature) = describe(types, types.entity_type_from_export(export)?);
            Some(Export {
                name: export.name.to_owned(),
                kind,
                signature,
            })
        });
        let memories = survey.memories.iter().map(|memory| MemoryLimits {
            minimum_pages: memory.initial,
            maximum_pages: memory.maximum,
        });
        let tables = survey.tables.iter().map(|table| TableLimits {
            minimum_elements: table.initial,
            maximum_elements: table.maximum,
        });
        Self {
            imports: imports.collect(),
            exports: exports.collect(),
            memories: memories.collect(),
            tables: tables.collect(),
            functions: survey.functions,
            data_segments: survey.data_segments,
            code_bytes: survey.code_bytes,
            has_start: survey.has_start,
        }
    }
}

/// Something a module needs from the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The namespace, such as `palisade_v1`.
    pub module: String,
    /// The name in it, such as `log`.
    pub name: String,
    /// What it is.
    pub kind: ItemKind,
    /// Its type as text, such as `(i32, i32, i32) -> ()`.
    pub signature: String,
}

/// Something a module offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its name, such as `plugin_init`.
    pub name: String,
    /// What it is.
    pub kind: ItemKind,
    /// Its type as text, such as `(i32, i32) -> i64`.
    pub signature: String,
}

/// What an import or export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ItemKind {
    /// A function.
    Function,
    /// A linear memory.
    Memory,
    /// A table.
    Table,
    /// A global.
    Global,
    /// An exception tag.
    Tag,
}

impl ItemKind {
    /// The word of the text format: `func`, `memory`, `table`, `global`, `tag`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Function => "func",
            Self::Memory => "memory",
            Self::Table => "table",
            Self::Global => "global",
            Self::Tag => "tag",
        }
    }
}

impl fmt::Display for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How large a memory begins and may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Pages of 64 KiB at the start.
    pub minimum_pages: u64,
    /// Pages it never exceeds, when the module says so.
    pub maximum_pages: Option<u64>,
}

/// How large a table begins and may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableLimits {
    /// Elements at the start.
    pub minimum_elements: u64,
    /// Elements it never exceeds, when the module says so.
    pub maximum_elements: Option<u64>,
}

/// More types than this in one list are counted, not printed: no ABI has them, and a thousand exports of a thousand
/// parameters would not fit in memory.
const PRINTED_TYPES: usize = 16;

fn describe(types: TypesRef<'_>, entity: EntityType) -> (ItemKind, String) {
    match entity {
        EntityType::Func(id) | EntityType::FuncExact(id) => (ItemKind::Function, function_signature(types, id)),
        EntityType::Tag(id) => (ItemKind::Tag, function_signature(types, id)),
        EntityType::Memory(memory) => (ItemKind::Memory, extent(memory.initial, memory.maximum, "pages")),
        EntityType::Table(table) => {
            let elements = extent(table.initial, table.maximum, "elements");
            (ItemKind::Table, format!("{} of {}", elements, table.element_type))
        }
        EntityType::Global(global) if global.mutable => (ItemKind::Global, format!("mut {}", global.content_type)),
        EntityType::Global(global) => (ItemKind::Global, global.content_type.to_string()),
    }
}

fn function_signature(types: TypesRef<'_>, id: CoreTypeId) -> String {
    match types.get(id).map(|defined| &defined.composite_type.inner) {
        Some(CompositeInnerType::Func(function)) => signature(function),
        _ => "unknown".to_owned(),
    }
}

/// `(i32, i32) -> i64`; no result is `()`, several are a list.
fn signature(function: &FuncType) -> String {
    let results = match function.results() {
        [result] => result.to_string(),
        results => type_list(results),
    };
    format!("{} -> {results}", type_list(function.params()))
}

fn type_list(types: &[ValType]) -> String {
    let mut printed: Vec<String> = types.iter().take(PRINTED_TYPES).map(ToString::to_string).collect();
    if let Some(more) = types.len().checked_sub(PRINTED_TYPES).filter(|more| *more > 0) {
        printed.push(format!("… {more} more"));
    }
    format!("({})", printed.join(", "))
}

fn extent(minimum: u64, maximum: Option<u64>, unit: &str) -> String {
    match maximum {
        Some(maximum) => format!("{minimum} to {maximum} {unit}"),
        None => format!("{minimum} {unit} or more"),
    }
}

#[cfg(test)]
mod tests;
