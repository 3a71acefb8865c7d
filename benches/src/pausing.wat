;; Calls a function of the host, which answers when it is told to, and answers with nothing.
(module
  (import "palisade_v1" "host_call" (func $call (param i32 i32 i32 i32) (result i64)))
  (memory (export "memory") 2)
  (data (i32.const 256) "benches:pause")
  (func (export "palisade_abi_v1"))
  (func (export "plugin_buffer") (param i32) (result i32) i32.const 1024)
  (func (export "plugin_init") (param i32 i32) (result i64) i64.const 0)
  (func (export "plugin_command") (param i32 i32 i32 i32) (result i64)
    (drop (call $call (i32.const 256) (i32.const 13) (i32.const 0) (i32.const 0)))
    i64.const 0)
  (func (export "plugin_cleanup") (result i64) i64.const 0))
