//! The static limits of a module. Each bounds what compiling and instantiating can cost before either has begun.

use std::fmt;

/// Bytes of a module. Compiling takes many times its size in memory, and a plugin is no whole application.
pub const MAX_MODULE_BYTES: u64 = 16 * 1024 * 1024;

/// Functions a module defines. Each has a few hundred bytes of metadata in the engine, whatever its size.
pub const MAX_FUNCTIONS: u64 = 50_000;

/// Bytes of one function body. Register allocation is worse than linear in it, and one body is compiled by one thread.
pub const MAX_BODY_BYTES: u64 = 256 * 1024;

/// Locals a function declares. A few bytes of file can declare four thousand million of them; each takes stack and
/// compile time.
pub const MAX_LOCALS: u64 = 10_000;

/// Blocks, loops and ifs inside each other. Compilers recurse over them.
pub const MAX_NESTING: u64 = 256;

/// Data segments. Each is one copy at instantiation.
pub const MAX_DATA_SEGMENTS: u64 = 50_000;

/// Imports. The host offers fewer than a hundred functions; each import is looked up and linked.
pub const MAX_IMPORTS: u64 = 200;

/// Exports. Each is a name in a map; the ABI has nine.
pub const MAX_EXPORTS: u64 = 10_000;

/// Function types. The validator keeps some hundred bytes for each; no module has more types than functions.
pub const MAX_TYPES: u64 = 50_000;

/// Parameters and results of one function type together. Two bytes of code can call such a function, and validating the
/// call takes as many steps. Compilers pass structures by address, so that even long lists stay short.
pub const MAX_SIGNATURE_TYPES: u64 = 64;

/// Globals. Each has a slot in every instance.
pub const MAX_GLOBALS: u64 = 10_000;

/// Element segments. Each is one copy at instantiation.
pub const MAX_ELEMENT_SEGMENTS: u64 = 50_000;

/// Tables: what the instance pool has slots for.
pub const MAX_TABLES: u64 = 4;

/// Elements a table begins with: what a slot of the instance pool holds.
pub const MAX_TABLE_ELEMENTS: u64 = 20_000;

/// Memories: what the ABI and the instance pool have a place for.
pub const MAX_MEMORIES: u64 = 1;

/// A limit a module has to keep. Exact: the maximum is allowed, one more is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModuleLimit {
    /// [`MAX_MODULE_BYTES`]
    ModuleBytes,
    /// [`MAX_FUNCTIONS`]
    Functions,
    /// [`MAX_BODY_BYTES`]
    BodyBytes,
    /// [`MAX_LOCALS`]
    Locals,
    /// [`MAX_NESTING`]
    Nesting,
    /// [`MAX_DATA_SEGMENTS`]
    DataSegments,
    /// [`MAX_IMPORTS`]
    Imports,
    /// [`MAX_EXPORTS`]
    Exports,
    /// [`MAX_TYPES`]
    Types,
    /// [`MAX_SIGNATURE_TYPES`]
    SignatureTypes,
    /// [`MAX_GLOBALS`]
    Globals,
    /// [`MAX_ELEMENT_SEGMENTS`]
    ElementSegments,
    /// [`MAX_TABLES`]
    Tables,
    /// [`MAX_TABLE_ELEMENTS`]
    TableElements,
    /// [`MAX_MEMORIES`]
    Memories,
}

impl ModuleLimit {
    /// Every limit, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::ModuleBytes,
        Self::Functions,
        Self::BodyBytes,
        Self::Locals,
        Self::Nesting,
        Self::DataSegments,
        Self::Imports,
        Self::Exports,
        Self::Types,
        Self::SignatureTypes,
        Self::Globals,
        Self::ElementSegments,
        Self::Tables,
        Self::TableElements,
        Self::Memories,
    ];

    /// The most a module may have.
    #[must_use]
    pub fn maximum(self) -> u64 {
        match self {
            Self::ModuleBytes => MAX_MODULE_BYTES,
            Self::Functions => MAX_FUNCTIONS,
            Self::BodyBytes => MAX_BODY_BYTES,
            Self::Locals => MAX_LOCALS,
            Self::Nesting => MAX_NESTING,
            Self::DataSegments => MAX_DATA_SEGMENTS,
            Self::Imports => MAX_IMPORTS,
            Self::Exports => MAX_EXPORTS,
            Self::Types => MAX_TYPES,
            Self::SignatureTypes => MAX_SIGNATURE_TYPES,
            Self::Globals => MAX_GLOBALS,
            Self::ElementSegments => MAX_ELEMENT_SEGMENTS,
            Self::Tables => MAX_TABLES,
            Self::TableElements => MAX_TABLE_ELEMENTS,
            Self::Memories => MAX_MEMORIES,
        }
    }

    /// What it protects while a module is checked, compiled and made.
    #[must_use]
    pub fn protects(self) -> &'static str {
        match self {
            Self::ModuleBytes | Self::Functions => "the compiler's time and memory, over the whole module",
            Self::BodyBytes | Self::Locals | Self::Nesting => {
                "the compiler's time and memory, which grow faster than one function"
            }
            Self::DataSegments | Self::ElementSegments => "the time a start takes",
            Self::Imports | Self::Exports | Self::Types | Self::Globals => {
                "the host's memory, for every module it holds"
            }
            Self::SignatureTypes => "the compiler, and the stack of a call",
            Self::Tables | Self::TableElements | Self::Memories => "the host's memory, for every instance",
        }
    }

    /// The stable word of the limit.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ModuleBytes => "module_bytes",
            Self::Functions => "functions",
            Self::BodyBytes => "body_bytes",
            Self::Locals => "locals",
            Self::Nesting => "nesting",
            Self::DataSegments => "data_segments",
            Self::Imports => "imports",
            Self::Exports => "exports",
            Self::Types => "types",
            Self::SignatureTypes => "signature_types",
            Self::Globals => "globals",
            Self::ElementSegments => "element_segments",
            Self::Tables => "tables",
            Self::TableElements => "table_elements",
            Self::Memories => "memories",
        }
    }

    /// What is counted, for "the module has 3 …".
    pub(super) fn counted(self) -> &'static str {
        match self {
            Self::ModuleBytes => "bytes",
            Self::Functions => "functions",
            Self::BodyBytes => "bytes in one function body",
            Self::Locals => "locals in one function",
            Self::Nesting => "levels of nested blocks",
            Self::DataSegments => "data segments",
            Self::Imports => "imports",
            Self::Exports => "exports",
            Self::Types => "types",
            Self::SignatureTypes => "parameters and results in one function type",
            Self::Globals => "globals",
            Self::ElementSegments => "element segments",
            Self::Tables => "tables",
            Self::TableElements => "initial elements in one table",
            Self::Memories => "memories",
        }
    }

    pub(super) fn help(self) -> &'static str {
        match self {
            Self::ModuleBytes | Self::Functions | Self::Types => {
                "build in release mode, optimise for size, and strip what is not used"
            }
            Self::BodyBytes | Self::Locals | Self::Nesting => {
                "split the function; a generated parser or a large match is the usual cause"
            }
            Self::DataSegments | Self::ElementSegments => "merge segments, which `wasm-opt` does",
            Self::SignatureTypes => "pass a pointer to a structure instead",
            Self::Imports | Self::Exports | Self::Globals => "import and export only what host and plugin share",
            Self::Tables | Self::TableElements => "one table holds all function pointers; make fewer of them",
            Self::Memories => "a plugin has one memory, exported as `memory`",
        }
    }
}

impl fmt::Display for ModuleLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
