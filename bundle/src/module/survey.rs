//! One pass over the sections that counts, so that limits are checked before anything is kept or any body is looked at.

use std::ops::Range;

use wasmparser::{
    BinaryReader, Export, FuncType, FunctionBody, Import, ImportSectionReader, Imports, MemoryType, Parser, Payload,
    TableType, TypeRef,
};

use super::{FEATURES, Foreign, ModuleError, ModuleLimit};

/// What a function type begins with (WASM core specification, 5.3.6).
const FUNCTION_TYPE: u8 = 0x60;

/// What a continuation type begins with (stack switching proposal).
const CONTINUATION_TYPE: u8 = 0x5d;

/// What the sections of a module say, within the limits, not yet valid.
#[derive(Default)]
pub(super) struct Survey<'w> {
    pub(super) imports: Vec<Import<'w>>,
    pub(super) exports: Vec<Export<'w>>,
    pub(super) memories: Vec<MemoryType>,
    pub(super) tables: Vec<TableType>,
    pub(super) functions: u32,
    pub(super) data_segments: u32,
    pub(super) code_bytes: u64,
    pub(super) has_start: bool,
    imported_functions: u32,
    bodies: u32,
    types: u32,
    globals: u32,
    element_segments: u32,
}

impl<'w> Survey<'w> {
    pub(super) fn of(wasm: &'w [u8]) -> Result<Self, ModuleError> {
        within(ModuleLimit::ModuleBytes, length(wasm.len()))?;
        let mut parser = Parser::new(0);
        parser.set_features(FEATURES);
        let mut survey = Self::default();
        for payload in parser.parse_all(wasm) {
            survey.section(wasm, payload?)?;
        }
        Ok(survey)
    }

    fn section(&mut self, wasm: &'w [u8], payload: Payload<'w>) -> Result<(), ModuleError> {
        match payload {
            Payload::TypeSection(section) => {
                add(&mut self.types, section.count(), ModuleLimit::Types)?;
                signatures(wasm, section.range())?;
            }
            Payload::ImportSection(section) => self.imports(section)?,
            Payload::FunctionSection(section) => add(&mut self.functions, section.count(), ModuleLimit::Functions)?,
            Payload::TableSection(section) => {
                Self::room(ModuleLimit::Tables, self.tables.len(), section.count())?;
                for table in section {
                    self.table(table?.ty)?;
                }
            }
            Payload::MemorySection(section) => {
                Self::room(ModuleLimit::Memories, self.memories.len(), section.count())?;
                self.memories
                    .extend(section.into_iter().collect::<Result<Vec<_>, _>>()?);
            }
            Payload::GlobalSection(section) => add(&mut self.globals, section.count(), ModuleLimit::Globals)?,
            Payload::ExportSection(section) => {
                Self::room(ModuleLimit::Exports, self.exports.len(), section.count())?;
                self.exports.extend(section.into_iter().collect::<Result<Vec<_>, _>>()?);
            }
            Payload::StartSection { .. } => self.has_start = true,
            Payload::ElementSection(section) => {
                add(
                    &mut self.element_segments,
                    section.count(),
                    ModuleLimit::ElementSegments,
                )?;
            }
            Payload::DataCountSection { count, .. } => within(ModuleLimit::DataSegments, count.into())?,
            Payload::DataSection(section) => add(&mut self.data_segments, section.count(), ModuleLimit::DataSegments)?,
            Payload::CodeSectionStart { count, .. } => within(ModuleLimit::Functions, count.into())?,
            Payload::CodeSectionEntry(body) => self.body(&body)?,
            Payload::CustomSection(section) => match section.name() {
                "linking" => return Err(ModuleError::Foreign(Foreign::ObjectFile)),
                "dylink" | "dylink.0" => return Err(ModuleError::Foreign(Foreign::SharedLibrary)),
                _ => {}
            },
            // Left to the validator, which knows their rules or refuses them.
            _ => {}
        }
        Ok(())
    }

    fn imports(&mut self, section: ImportSectionReader<'w>) -> Result<(), ModuleError> {
        Self::room(ModuleLimit::Imports, self.imports.len(), section.count())?;
        for group in section {
            // Compact groups need a proposal that is off: the reader refuses them.
            let Imports::Single(_, import) = group? else { continue };
            match import.ty {
                TypeRef::Func(_) | TypeRef::FuncExact(_) => self.imported_functions += 1,
                TypeRef::Table(table) => self.table(table)?,
                TypeRef::Memory(memory) => {
                    Self::room(ModuleLimit::Memories, self.memories.len(), 1)?;
                    self.memories.push(memory);
                }
                TypeRef::Global(_) | TypeRef::Tag(_) => {}
            }
            self.imports.push(import);
        }
        Ok(())
    }

    fn table(&mut self, table: TableType) -> Result<(), ModuleError> {
        Self::room(ModuleLimit::Tables, self.tables.len(), 1)?;
        within(ModuleLimit::TableElements, table.initial)?;
        self.tables.push(table);
        Ok(())
    }

    /// Locals are added up from their run lengths: nothing is allocated for them.
    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), ModuleError> {
        let function = self.imported_functions.saturating_add(self.bodies);
        self.bodies = self.bodies.saturating_add(1);
        let bytes = length(body.range().len());
        if bytes > ModuleLimit::BodyBytes.maximum() {
            return Err(ModuleError::in_body(ModuleLimit::BodyBytes, bytes, function));
        }
        self.code_bytes = self.code_bytes.saturating_add(bytes);
        let mut locals: u64 = 0;
        for run in body.get_locals_reader()? {
            let (count, _) = run?;
            locals = locals.saturating_add(count.into());
            if locals > ModuleLimit::Locals.maximum() {
                return Err(ModuleError::in_body(ModuleLimit::Locals, locals, function));
            }
        }
        Ok(())
    }

    fn room(limit: ModuleLimit, present: usize, more: u32) -> Result<(), ModuleError> {
        within(limit, length(present).saturating_add(more.into()))
    }
}

/// Reads the function types one by one. Anything else a type section can hold belongs to a proposal that is off, and
/// its reader would make room for a million types on the word of three bytes.
fn signatures(wasm: &[u8], section: Range<usize>) -> Result<(), ModuleError> {
    let offset = section.start;
    let mut reader = BinaryReader::new_features(wasm.get(section).unwrap_or_default(), offset, FEATURES);
    for _ in 0..reader.read_var_u32()? {
        let offset = length(reader.original_position());
        let form = reader.read_u8()?;
        if form != FUNCTION_TYPE {
            let feature = if form == CONTINUATION_TYPE {
                "stack-switching"
            } else {
                "gc"
            }
            .to_owned();
            let reason = "a type that is no function type".to_owned();
            return Err(ModuleError::Feature {
                feature,
                offset,
                reason,
            });
        }
        let function: FuncType = reader.read()?;
        let types = function.params().len().saturating_add(function.results().len());
        within(ModuleLimit::SignatureTypes, length(types))?;
    }
    Ok(())
}

fn add(total: &mut u32, count: u32, limit: ModuleLimit) -> Result<(), ModuleError> {
    *total = total.saturating_add(count);
    within(limit, (*total).into())
}

fn within(limit: ModuleLimit, actual: u64) -> Result<(), ModuleError> {
    if actual > limit.maximum() {
        Err(ModuleError::limit(limit, actual))
    } else {
        Ok(())
    }
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
