/* Palisade guest ABI 1 for C, C++ and Zig: one header, nothing to link.
 *
 * A plugin is one module. One of its source files says PALISADE_PLUGIN, which defines the marker and the input buffer, and
 * defines these three functions (the last two of the five below are optional):
 *
 *     #include "palisade.h"
 *
 *     PALISADE_PLUGIN
 *
 *     int64_t plugin_init(const uint8_t *json, size_t len) { return palisade_ok(); }
 *
 *     int64_t plugin_command(const char *name, size_t name_len, uint8_t *args, size_t args_len) {
 *         if (palisade_is(name, name_len, "echo")) return palisade_bytes(args, args_len);
 *         return palisade_error("INVALID_COMMAND", "there is no such command");
 *     }
 *
 *     int64_t plugin_cleanup(void) { return palisade_ok(); }
 *
 * Compile it as a WASI reactor, with any one of
 *
 *     clang --target=wasm32-wasi -mexec-model=reactor -O2 -Wl,--strip-debug plugin.c -o plugin.wasm
 *     zig cc -target wasm32-wasi -mexec-model=reactor -O2 -Wl,--strip-debug plugin.c -o plugin.wasm
 *     clang --target=wasm32 -nostdlib -ffreestanding -Wl,--no-entry -O2 plugin.c -o plugin.wasm
 *
 * The last one needs no C library; the input buffer is then PALISADE_BUFFER_BYTES of static memory.
 *
 * For Zig, `zig translate-c -target wasm32-freestanding palisade.h > palisade.zig` makes the functions for results. Write
 * the exports with `export fn`, and declare the import there: the translation forgets the module it comes from.
 *
 *     extern "palisade_v1" fn log(level: i32, text: [*]const u8, len: usize) void;
 *
 * What a result points to belongs to the plugin and must stay as it is until the host enters the plugin again: the
 * input buffer and static memory do, a local variable does not. The host never enters from inside one of its functions, and
 * enters one instance from one thread at a time. docs/abi.md holds the whole contract. */

#ifndef PALISADE_H
#define PALISADE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define PALISADE_C extern "C"
#else
#define PALISADE_C extern
#endif

#define PALISADE_EXPORT(name) __attribute__((export_name(name)))

/* ---- What a plugin defines ------------------------------------------------------------------------------------------ */

/* Once per instance, before any command. The input is JSON: plugin_id, version, config, permissions, limits, state?. */
PALISADE_C PALISADE_EXPORT("plugin_init") int64_t plugin_init(const uint8_t *json, size_t len);

/* One command. Name and arguments lie in the input buffer, which is the plugin's to change. Neither ends in '\0'. */
PALISADE_C PALISADE_EXPORT("plugin_command") int64_t
plugin_command(const char *name, size_t name_len, uint8_t *args, size_t args_len);

/* Once, before the instance is dropped in an orderly way; not after a trap or a limit. */
PALISADE_C PALISADE_EXPORT("plugin_cleanup") int64_t plugin_cleanup(void);

/* Optional: ok when the plugin is well, an error when it is not. */
PALISADE_C PALISADE_EXPORT("plugin_health") int64_t plugin_health(void);

/* Optional: one event the plugin subscribed to, as JSON. */
PALISADE_C PALISADE_EXPORT("plugin_on_event") int64_t plugin_on_event(const uint8_t *json, size_t len);

/* ---- What the header defines, once a module ------------------------------------------------------------------------- */

PALISADE_C PALISADE_EXPORT("palisade_abi_v1") void palisade_abi_v1(void);
PALISADE_C PALISADE_EXPORT("plugin_buffer") uint8_t *plugin_buffer(size_t len);

/* Room for input without a C library: the host's default for arguments, 1 MiB, and the name before them. */
#ifndef PALISADE_BUFFER_BYTES
#define PALISADE_BUFFER_BYTES (1024 * 1024 + 64)
#endif

#if defined(__STDC_HOSTED__) && __STDC_HOSTED__ == 1
#include <stdlib.h>
#define PALISADE_PLUGIN                                                                                                 \
    void palisade_abi_v1(void) {}                                                                                       \
    uint8_t *plugin_buffer(size_t len) {                                                                                \
        static uint8_t *buffer = NULL;                                                                                  \
        static size_t capacity = 0;                                                                                     \
        if (buffer == NULL || capacity < len) {                                                                         \
            free(buffer);                                                                                               \
            capacity = len < 1024 ? 1024 : len;                                                                         \
            buffer = (uint8_t *)malloc(capacity);                                                                       \
        }                                                                                                               \
        return buffer;                                                                                                  \
    }
#else
#define PALISADE_PLUGIN                                                                                                 \
    void palisade_abi_v1(void) {}                                                                                       \
    uint8_t *plugin_buffer(size_t len) {                                                                                \
        static uint8_t buffer[PALISADE_BUFFER_BYTES];                                                                   \
        return len <= sizeof buffer ? buffer : NULL;                                                                    \
    }
#endif

/* ---- Results -------------------------------------------------------------------------------------------------------- */

/* The bits of a result: address, error, length. More than 2 GiB - 1 bytes do not fit and are an error. */
static inline int64_t palisade_reply(const void *bytes, size_t len, int is_error) {
    uint64_t low = is_error ? UINT64_C(1) << 31 : 0;
    if (len >> 31) return palisade_reply("the result is too long", 22, 1);
    return (int64_t)((uint64_t)(uintptr_t)bytes << 32 | low | len);
}

/* Ok, nothing. */
static inline int64_t palisade_ok(void) { return 0; }

/* Ok, with these bytes. */
static inline int64_t palisade_bytes(const void *bytes, size_t len) {
    return len == 0 ? 0 : palisade_reply(bytes, len, 0);
}

/* The length of a text; the loop must not become a call of strlen, which may not be there. */
__attribute__((no_builtin("strlen"))) static inline size_t palisade_length(const char *text) {
    size_t len = 0;
    while (text[len] != '\0') len++;
    return len;
}

/* Ok, with a text that ends in '\0'. */
static inline int64_t palisade_text(const char *text) { return palisade_bytes(text, palisade_length(text)); }

/* An error as a caller sees it: JSON {code, message, details}, written by the plugin. */
static inline int64_t palisade_error_json(const char *json, size_t len) { return palisade_reply(json, len, 1); }

/* Appends text inside a JSON string, as long as there is room; cuts between characters, never inside one. */
static inline size_t palisade_escape(char *out, size_t at, size_t end, const char *text) {
    static const char hex[] = "0123456789abcdef";
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        size_t more = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc0 ? 1 : 0;
        if (end - at < 6 + more) break;
        if (byte == '"' || byte == '\\') {
            out[at++] = '\\';
            out[at++] = (char)byte;
        } else if (byte < 0x20) {
            out[at++] = '\\', out[at++] = 'u', out[at++] = '0', out[at++] = '0';
            out[at++] = hex[byte >> 4];
            out[at++] = hex[byte & 15];
        } else {
            out[at++] = (char)byte;
            for (; more > 0 && text[1] != '\0'; more--) out[at++] = *++text;
        }
    }
    return at;
}

/* An error of a code, such as "NAME_EMPTY", and a message in UTF-8; cut at 1 KiB. */
static inline int64_t palisade_error(const char *code, const char *message) {
    static char json[1024];
    static const char *const parts[] = {"{\"code\":\"", "\",\"message\":\"", "\"}"};
    const char *const texts[] = {code, message, ""};
    size_t at = 0;
    for (int part = 0; part < 3; part++) {
        for (const char *byte = parts[part]; *byte != '\0'; byte++) json[at++] = *byte;
        at = palisade_escape(json, at, part == 0 ? 128 : sizeof json - 8, texts[part]);
    }
    return palisade_error_json(json, at);
}

/* Whether the name of a command is this one. */
static inline int palisade_is(const char *name, size_t name_len, const char *expected) {
    size_t at = 0;
    while (at < name_len && expected[at] != '\0' && name[at] == expected[at]) at++;
    return at == name_len && expected[at] == '\0';
}

/* ---- What the host offers ------------------------------------------------------------------------------------------- */

enum palisade_level {
    PALISADE_TRACE = 0,
    PALISADE_DEBUG = 1,
    PALISADE_INFO = 2,
    PALISADE_WARN = 3,
    PALISADE_ERROR = 4,
    PALISADE_FATAL = 5 /* last words before a trap: the message of GUEST_TRAP */
};

PALISADE_C __attribute__((import_module("palisade_v1"), import_name("log"))) void
palisade_import_log(int32_t level, const char *text, size_t len);

/* Writes one line of UTF-8 into the plugin's log; the host keeps 8 KiB of a line and 100 lines a second. */
static inline void palisade_log(enum palisade_level level, const char *text) {
    palisade_import_log((int32_t)level, text, palisade_length(text));
}

/* Ends the instance; the host reports the message with GUEST_TRAP. For bugs: answer bad input with palisade_error. */
__attribute__((noreturn)) static inline void palisade_panic(const char *message) {
    palisade_log(PALISADE_FATAL, message);
    __builtin_trap();
}

#endif
