;; Sends one request, whose head lies at 256, and answers with nothing.
(module
  (import "palisade_v1" "http_request" (func $request (param i32 i32 i32 i32) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 256) "HEAD")
  (func (export "palisade_abi_v1"))
  (func (export "plugin_buffer") (param i32) (result i32) i32.const 1024)
  (func (export "plugin_init") (param i32 i32) (result i64) i64.const 0)
  (func (export "plugin_command") (param i32 i32 i32 i32) (result i64)
    (drop (call $request (i32.const 256) (i32.const HEAD_LENGTH) (i32.const 0) (i32.const 0)))
    i64.const 0)
  (func (export "plugin_cleanup") (result i64) i64.const 0))
