;; A plugin that answers every command with its arguments.
(module
  (memory (export "memory") 1)
  (func (export "palisade_abi_v1"))
  (func (export "plugin_buffer") (param $len i32) (result i32)
    (if (result i32) (i32.gt_u (local.get $len) (i32.const 64512))
      (then (i32.const 0))
      (else (i32.const 1024))))
  (func (export "plugin_init") (param i32 i32) (result i64)
    (i64.const 0))
  (func (export "plugin_command") (param i32 i32) (param $args i32) (param $len i32) (result i64)
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $args)) (i64.const 32))
      (i64.extend_i32_u (local.get $len))))
  (func (export "plugin_cleanup") (result i64)
    (i64.const 0)))
