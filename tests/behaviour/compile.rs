//! Compile bombs: refused by the module limits, or ended in a process of their own, while others are served.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use palisade::module::{MAX_BODY_BYTES, MAX_FUNCTIONS, MAX_LOCALS, ModuleLimit};
use palisade::{
    Artifact, Code, Coded, CompileError, CompileJob, CompileJobs, CompileLimits, CompileWorker, Compiler,
    InProcessCompiler, LoadError, ModuleError, Runtime, ServiceFuture, WorkerFailure,
};
use palisade_tests::{Guest, admitted, palisade};
use serde_json::json;
use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, Instruction, MemorySection,
    MemoryType, Module, TypeSection, ValType,
};

/// Longer than any test waits: what must not be the reason for an end.
const NEVER: Duration = Duration::from_secs(100_000);

/// The compiler in this process, counting; after the first `here` modules it hands over to another one.
#[derive(Debug)]
struct Counting {
    jobs: AtomicUsize,
    here: usize,
    then: Box<dyn Compiler>,
}

impl Counting {
    fn new(here: usize, then: impl Compiler + 'static) -> Arc<Self> {
        Arc::new(Self {
            jobs: AtomicUsize::new(0),
            here,
            then: Box::new(then),
        })
    }
}

impl Compiler for Counting {
    fn compile(&self, job: CompileJob) -> ServiceFuture<'_, Result<Artifact, CompileError>> {
        if self.jobs.fetch_add(1, Ordering::Relaxed) < self.here {
            InProcessCompiler.compile(job)
        } else {
            self.then.compile(job)
        }
    }
}

/// The worker that the command line uses.
fn worker(limits: CompileLimits) -> CompileWorker {
    CompileWorker::new(palisade(), ["debug", "compile-worker"]).limits(limits)
}

/// A worker that runs a line of shell.
fn shell(line: &str) -> CompileWorker {
    CompileWorker::new("/bin/sh", ["-c", line]).limits(CompileLimits {
        wall_clock: NEVER,
        ..CompileLimits::default()
    })
}

fn runtime(compiler: impl Compiler + 'static) -> Runtime {
    Runtime::builder().compiler(Arc::new(compiler)).build().unwrap()
}

/// A plugin with these functions beside those of the ABI.
fn plugin_with(functions: impl IntoIterator<Item = Function>) -> Vec<u8> {
    use ValType::{I32, I64};
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([I32], [I32]);
    types.ty().function([I32; 2], [I64]);
    types.ty().function([I32; 4], [I64]);
    types.ty().function([], [I64]);
    let (mut declared, mut code, mut exports) = (FunctionSection::new(), CodeSection::new(), ExportSection::new());
    let abi = [
        ("palisade_abi_v1", 0, None),
        ("plugin_buffer", 1, Some(Instruction::I32Const(1024))),
        ("plugin_init", 2, Some(Instruction::I64Const(0))),
        ("plugin_command", 3, Some(Instruction::I64Const(0))),
        ("plugin_cleanup", 4, Some(Instruction::I64Const(0))),
    ];
    for (index, (name, of_type, answer)) in (0..).zip(abi) {
        declared.function(of_type);
        exports.export(name, ExportKind::Func, index);
        code.function(&function([], answer.into_iter().collect::<Vec<_>>().as_slice()));
    }
    for function in functions {
        declared.function(0);
        code.function(&function);
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 2,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    exports.export("memory", ExportKind::Memory, 0);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&declared)
        .section(&memories)
        .section(&exports)
        .section(&code);
    module.finish()
}

fn function(locals: impl IntoIterator<Item = (u32, ValType)>, body: &[Instruction<'_>]) -> Function {
    let locals: Vec<_> = locals.into_iter().collect();
    let mut function = Function::new(locals);
    for instruction in body {
        function.instruction(instruction);
    }
    function.instruction(&Instruction::End);
    function
}

/// As many blocks as a body has room for; each leaves early on one local and sets another from a third, so that every
/// local may differ after every block.
fn chain() -> Function {
    const BYTES_OF_A_BLOCK: usize = 15;
    let locals = u32::try_from(MAX_LOCALS).unwrap();
    let blocks = u32::try_from(MAX_BODY_BYTES).unwrap() / u32::try_from(BYTES_OF_A_BLOCK).unwrap();
    let block = |number: u32| {
        let (one, other) = (number % locals, (number * 7 + 1) % locals);
        [
            Instruction::Block(BlockType::Empty),
            Instruction::LocalGet(one),
            Instruction::BrIf(0),
            Instruction::LocalGet(other),
            Instruction::LocalSet(one),
            Instruction::End,
        ]
    };
    function(
        [(locals, ValType::I32)],
        &(0..blocks).flat_map(block).collect::<Vec<_>>(),
    )
}

/// A few hundred kilobytes with as many functions as there may be, and as many locals in each.
fn full_of_locals() -> Vec<u8> {
    let locals = u32::try_from(MAX_LOCALS).unwrap();
    let functions = usize::try_from(MAX_FUNCTIONS).unwrap() - 5;
    plugin_with(std::iter::repeat_n(function([(locals, ValType::I32)], &[]), functions))
}

fn load(runtime: &Runtime, wasm: &[u8]) -> LoadError {
    match pollster::block_on(runtime.load(admitted(&json!({}), wasm))) {
        Ok(_) => panic!("the module was loaded"),
        Err(error) => error,
    }
}

/// Five of the bombs break a limit, and no compiler sees them.
#[track_caller]
fn check_refused(wasm: &[u8], broken: ModuleLimit) {
    let compiler = Counting::new(0, InProcessCompiler);
    let runtime = Runtime::builder().compiler(Arc::clone(&compiler) as _).build().unwrap();
    let error = load(&runtime, wasm);
    assert_eq!(error.code(), Code::CorruptedData);
    let LoadError::Module(ModuleError::Limit { limit, .. }) = error else {
        panic!("{error}");
    };
    assert_eq!(limit, broken);
    assert_eq!(compiler.jobs.load(Ordering::Relaxed), 0);
}

#[test]
fn one_function_of_seven_megabytes_is_refused_before_compiling() {
    let huge = function([], &vec![Instruction::Nop; 7 * 1024 * 1024]);
    check_refused(&plugin_with([huge]), ModuleLimit::BodyBytes);
}

#[test]
fn fifty_thousand_locals_in_a_thousand_functions_are_refused_before_compiling() {
    let functions = std::iter::repeat_n(function([(50_000, ValType::I32)], &[]), 1_000);
    check_refused(&plugin_with(functions), ModuleLimit::Locals);
}

#[test]
fn ten_thousand_nested_blocks_are_refused_before_compiling() {
    let mut body = vec![Instruction::Block(BlockType::Empty); 10_000];
    body.extend(vec![Instruction::End; 10_000]);
    check_refused(&plugin_with([function([], &body)]), ModuleLimit::Nesting);
}

#[test]
fn a_branch_table_of_a_million_is_refused_before_compiling() {
    let table = Instruction::BrTable(vec![0; 1_000_000].into(), 0);
    let body = [
        Instruction::Block(BlockType::Empty),
        Instruction::I32Const(0),
        table,
        Instruction::End,
    ];
    check_refused(&plugin_with([function([], &body)]), ModuleLimit::BodyBytes);
}

#[test]
fn a_hundred_thousand_functions_are_refused_before_compiling() {
    let functions = std::iter::repeat_n(function([], &[]), 100_000);
    check_refused(&plugin_with(functions), ModuleLimit::Functions);
}

#[test]
fn the_plugin_that_the_bombs_are_made_of_is_loaded() {
    let wasm = plugin_with([function([(10, ValType::I32)], &[Instruction::Nop])]);
    let worker = worker(CompileLimits {
        wall_clock: NEVER,
        ..CompileLimits::default()
    });
    let plugin = pollster::block_on(runtime(worker).load(admitted(&json!({}), &wasm))).unwrap();
    assert_eq!(plugin.call_blocking("any", b"").unwrap().bytes(), b"");
}

/// The bomb is ended for its time, and the plugin beside it never stops answering.
#[track_caller]
fn check_ended(bomb: Vec<u8>) {
    let compiler = Counting::new(
        1,
        worker(CompileLimits {
            wall_clock: Duration::from_secs(1),
            ..CompileLimits::default()
        }),
    );
    let runtime = Runtime::builder().compiler(compiler).build().unwrap();
    let tokio = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let (answered, ended) = tokio.block_on(async {
        let echo = Guest::default().load(&runtime).await.unwrap();
        let bomb = admitted(&json!({}), &bomb);
        let loading = tokio::spawn(async move { runtime.load(bomb).await.err() });
        let mut answered = 0;
        while !loading.is_finished() {
            assert_eq!(echo.call("any", b"still there").await.unwrap().bytes(), b"still there");
            answered += 1;
        }
        (answered, loading.await.unwrap().unwrap())
    });
    assert_eq!(ended.code(), Code::CorruptedData, "{ended}");
    assert_eq!(ended.details()["reason"], "compile_time");
    assert!(
        matches!(ended, LoadError::Compile(CompileError::TimedOut { .. })),
        "{ended}"
    );
    assert_eq!(ended.to_string(), "the module took longer than 1 s to compile");
    assert!(answered > 100, "only {answered} calls were answered meanwhile");
}

#[test]
fn a_quadratic_chain_within_the_limits_is_ended_while_others_are_answered() {
    check_ended(plugin_with(std::iter::repeat_n(chain(), 60)));
}

#[test]
fn a_module_full_of_locals_within_the_limits_is_ended_while_others_are_answered() {
    check_ended(full_of_locals());
}

#[test]
fn a_module_that_needs_too_much_memory_is_refused() {
    let limit_bytes = 512 * 1024 * 1024;
    let worker = worker(CompileLimits {
        wall_clock: NEVER,
        memory_bytes: limit_bytes,
        ..CompileLimits::default()
    });
    let error = load(&runtime(worker), &plugin_with([chain()]));
    assert_eq!(error.code(), Code::CorruptedData, "{error}");
    let LoadError::Compile(CompileError::OutOfMemory { limit_bytes: told }) = error else {
        panic!("{error}");
    };
    assert_eq!(told, Some(limit_bytes));
}

#[test]
fn the_process_ends_itself_when_its_time_on_a_processor_is_used_up() {
    let worker = worker(CompileLimits {
        wall_clock: NEVER,
        cpu_seconds: 1,
        ..CompileLimits::default()
    });
    let error = load(&runtime(worker), &full_of_locals());
    let LoadError::Compile(CompileError::TimedOut { limit }) = error else {
        panic!("{error}");
    };
    assert_eq!(limit, Duration::from_secs(1));
}

#[track_caller]
fn check_broken(worker: CompileWorker, expected: fn(&CompileError) -> bool) {
    let error = load(&runtime(worker), &Guest::default().wasm());
    assert_eq!(error.code(), Code::InternalError, "{error}");
    let LoadError::Compile(error) = error else {
        panic!("{error}");
    };
    assert!(expected(&error), "{error:?}");
}

#[test]
fn a_worker_that_is_not_there_is_the_hosts_fault() {
    check_broken(CompileWorker::new("/no/such/program", [""; 0]), |error| {
        matches!(error, CompileError::Worker(WorkerFailure::Start(_)))
    });
}

#[test]
fn a_worker_that_leaves_without_an_answer_is_the_hosts_fault() {
    check_broken(shell("exit 3"), |error| {
        matches!(error, CompileError::Worker(WorkerFailure::NoAnswer { status: 3 }))
    });
    check_broken(shell("printf palisad1"), |error| {
        matches!(error, CompileError::Worker(WorkerFailure::NoAnswer { status: 0 }))
    });
}

#[test]
fn a_worker_that_says_something_else_is_the_hosts_fault() {
    // The second never stops.
    for line in ["exec cat", "while :; do echo noise; done"] {
        check_broken(shell(line), |error| {
            matches!(error, CompileError::Worker(WorkerFailure::Noise))
        });
    }
}

#[test]
fn an_answer_that_is_no_machine_code_is_not_loaded() {
    check_broken(
        shell(r"printf 'palisad1\000\004\000\000\000\000\000\000\000junk'"),
        |error| matches!(error, CompileError::Unusable(_)),
    );
}

#[test]
fn a_compiler_that_is_shot_is_a_crash() {
    let error = load(&runtime(shell("kill -SEGV $$")), &Guest::default().wasm());
    assert_eq!(error.code(), Code::CorruptedData);
    assert!(
        matches!(error, LoadError::Compile(CompileError::Crashed { signal: Some(11) })),
        "{error}"
    );
}

#[test]
fn a_worker_sees_no_environment_and_no_folder_of_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let line = format!("pwd > {0}; env >> {0}; exit 3", told.display());
    load(&runtime(shell(&line)), &Guest::default().wasm());
    let told = std::fs::read_to_string(told).unwrap();
    let mut lines: Vec<_> = told
        .lines()
        .filter(|line| !line.starts_with("RAYON_NUM_THREADS="))
        .collect();
    // What a shell sets by itself.
    lines.retain(|line| {
        !["PWD=/", "OLDPWD=", "SHLVL=", "_="]
            .iter()
            .any(|set| line.starts_with(set))
    });
    assert_eq!(lines, ["/"]);
}

#[test]
#[cfg(target_os = "linux")]
fn nobody_waits_for_a_module_and_its_process_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (pipe, first) = (folder.path().join("pipe"), folder.path().join("first"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // The first process, and one it started, would stay for a day; the second leaves.
    let line = format!(
        "mkdir {} || exit 3; sleep 86400 & echo $$ $! > {}; wait",
        first.display(),
        pipe.display()
    );
    let runtime = Runtime::builder()
        .compiler(Arc::new(shell(&line)))
        .compile_jobs(CompileJobs { at_once: 1, waiting: 1 })
        .build()
        .unwrap();
    let tokio = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let loading = tokio.spawn({
        let runtime = runtime.clone();
        async move { runtime.load(Guest::default().admitted()).await.err() }
    });
    // Waits until the process has started.
    let processes = std::fs::read_to_string(&pipe).unwrap();
    assert!(processes.split_whitespace().all(runs), "{processes}");
    loading.abort();
    // The next module has its turn when the process before it has ended.
    let error = load(&runtime, &Guest::default().wasm());
    assert!(
        matches!(
            error,
            LoadError::Compile(CompileError::Worker(WorkerFailure::NoAnswer { status: 3 }))
        ),
        "{error}"
    );
    assert_eq!(processes.split_whitespace().find(|process| runs(process)), None);
}

/// Whether there is such a process, and more of it than a name that nobody has collected.
fn runs(process: &str) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(process).join("stat"));
    status.is_ok_and(|status| !status.contains(") Z "))
}

#[test]
fn more_modules_than_may_wait_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut line = OsString::from("echo started > ");
    line.push(&pipe);
    line.push("; exec sleep 86400");
    let runtime = Runtime::builder()
        .compiler(Arc::new(shell(line.to_str().unwrap())))
        .compile_jobs(CompileJobs { at_once: 1, waiting: 0 })
        .build()
        .unwrap();
    let tokio = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let loading = tokio.spawn({
        let runtime = runtime.clone();
        async move { runtime.load(Guest::default().admitted()).await.err() }
    });
    assert_eq!(std::fs::read_to_string(&pipe).unwrap(), "started\n");
    let error = load(&runtime, &Guest::default().wasm());
    assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
    assert_eq!(error.details()["resource"], "compile_jobs");
    loading.abort();
}
