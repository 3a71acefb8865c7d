;; A plugin that keeps every rule of the ABI, and whose one command never comes back.
(module
  (memory (export "memory") 1)
  (func (export "palisade_abi_v1"))
  (func (export "plugin_buffer") (param $len i32) (result i32)
    (if (result i32) (i32.gt_u (local.get $len) (i32.const 64512))
      (then (i32.const 0))
      (else (i32.const 1024))))
  (func (export "plugin_init") (param i32 i32) (result i64)
    (i64.const 0))
  (func (export "plugin_command") (param i32 i32 i32 i32) (result i64)
    (loop $forever
      (br $forever))
    (unreachable))
  (func (export "plugin_cleanup") (result i64)
    (i64.const 0)))
