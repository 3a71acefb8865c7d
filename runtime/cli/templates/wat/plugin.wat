;; A plugin with one command, and the whole contract with its host.
(module
  ;; Page 0 is free, page 1 is the buffer that the host writes to.
  (memory (export "memory") 2)

  ;; Says which contract this is. Never called.
  (func (export "palisade_abi_v1"))

  ;; Address of a buffer of at least `len` bytes; 0 means there is no such room.
  (func (export "plugin_buffer") (param $len i32) (result i32)
    (select (i32.const 65536) (i32.const 0) (i32.le_u (local.get $len) (i32.const 65536))))

  ;; Once, before the first command. 0 is "ok, nothing to say".
  (func (export "plugin_init") (param $ptr i32) (param $len i32) (result i64)
    (i64.const 0))

  ;; A result is the address of some bytes in the upper half and their length in the lower one. The host lets only the
  ;; commands of plugin.json through, and this one answers with its arguments where they lie.
  (func (export "plugin_command")
    (param $name i32) (param $name_len i32) (param $args i32) (param $args_len i32) (result i64)
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $args)) (i64.const 32))
      (i64.extend_i32_u (local.get $args_len))))

  ;; Once, before the end.
  (func (export "plugin_cleanup") (result i64)
    (i64.const 0)))
