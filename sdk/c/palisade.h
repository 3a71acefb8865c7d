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
 * the exports with `export fn`, and declare the imports there: the translation forgets the module they come from.
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

#define PALISADE_IMPORT(name) PALISADE_C __attribute__((import_module("palisade_v1"), import_name(name)))

PALISADE_IMPORT("log") void palisade_import_log(int32_t level, const char *text, size_t len);

/* Writes one line of UTF-8 into the plugin's log; the host keeps 8 KiB of a line and 100 lines a second. */
static inline void palisade_log(enum palisade_level level, const char *text) {
    palisade_import_log((int32_t)level, text, palisade_length(text));
}

/* Ends the instance; the host reports the message with GUEST_TRAP. For bugs: answer bad input with palisade_error. */
__attribute__((noreturn)) static inline void palisade_panic(const char *message) {
    palisade_log(PALISADE_FATAL, message);
    __builtin_trap();
}

/* ---- Host calls -----------------------------------------------------------------------------------------------------
 *
 * Each answers with a length, two bits, and bytes that palisade_take fetches once, before the next host call:
 *
 *     int64_t answer = palisade_storage_get("colour", 6);
 *     if (palisade_failed(answer)) return palisade_refuse(answer);
 *     if (!palisade_yes(answer)) return palisade_error("NO_COLOUR", "there is no colour yet");
 *     return palisade_bytes(colour, palisade_take(answer, colour, sizeof colour));
 *
 * A module imports what it calls and nothing else. Each call needs the permission named with it. */

/* How many bytes there are to take. */
static inline size_t palisade_answer_length(int64_t answer) { return (size_t)((uint64_t)answer & 0x7fffffff); }

/* Whether the bytes are an error: JSON {code, message, details}. */
static inline int palisade_failed(int64_t answer) { return (int)((uint64_t)answer >> 31 & 1); }

/* The answer to the question that some calls ask, and no when the call failed. */
static inline int palisade_yes(int64_t answer) { return !palisade_failed(answer) && ((uint64_t)answer >> 32 & 1); }

PALISADE_IMPORT("result_take") int32_t palisade_import_result_take(void *out, size_t capacity);

/* Fetches at most `capacity` bytes of what the last host call answered with, and says how many; the rest is lost. */
static inline size_t palisade_take(int64_t answer, void *out, size_t capacity) {
    size_t length = palisade_answer_length(answer);
    if (length > capacity) length = capacity;
    return length == 0 ? 0 : (size_t)palisade_import_result_take(out, length);
}

/* Hands the error of a host call on to the plugin's caller, who sees the host's code and message; at most 4 KiB. */
static inline int64_t palisade_refuse(int64_t answer) {
    static char json[4096];
    if (palisade_answer_length(answer) > sizeof json) return palisade_error("HOST_ERROR", "the host refused");
    return palisade_error_json(json, palisade_take(answer, json, sizeof json));
}

/* The state record, JSON. Yes: there is one. */
PALISADE_IMPORT("state_get") int64_t palisade_state_get(void);

/* Replaces the state record, at most 1 MiB; a length of 0 removes it. */
PALISADE_IMPORT("state_set") int64_t palisade_state_set(const char *json, size_t len);

/* The value under a key of 1 to 256 bytes. Yes: the key is there. storage:read */
PALISADE_IMPORT("storage_get") int64_t palisade_storage_get(const char *key, size_t key_len);

/* Puts a value of at most 1 MiB for some milliseconds, 0 for ever. Yes: the key was there before. storage:write */
PALISADE_IMPORT("storage_put") int64_t
palisade_storage_put(const char *key, size_t key_len, const void *value, size_t value_len, int64_t ttl_ms);

/* Yes: the key was there. storage:delete */
PALISADE_IMPORT("storage_delete") int64_t palisade_storage_delete(const char *key, size_t key_len);

/* The `expected_len` of a key that is expected to be absent. */
#define PALISADE_ABSENT ((size_t)-1)

/* Puts a value if the value is `expected`, in one step. Yes: it was put. storage:write */
PALISADE_IMPORT("storage_cas") int64_t
palisade_storage_cas(const char *key, size_t key_len, const void *expected, size_t expected_len, const void *value,
                     size_t value_len, int64_t ttl_ms);

/* Keys that start with `prefix` and come after `after`, ascending, at most `limit` and at most 1,000: JSON
 * {keys: [], more}. storage:read */
PALISADE_IMPORT("storage_list") int64_t
palisade_storage_list(const char *prefix, size_t prefix_len, const char *after, size_t after_len, int32_t limit);

/* Sends a request. The head is JSON {method, url, headers?: [[name, value]], timeout_ms?, redirects?, credential?}. The
 * answer is the length of its head as 4 bytes, least significant first, the head as JSON {status, url, headers}, the
 * body. network:https, network:http */
PALISADE_IMPORT("http_request") int64_t
palisade_http_request(const char *head, size_t head_len, const void *body, size_t body_len);

/* A file of the plugin's own bundle. Yes: there is one. */
PALISADE_IMPORT("asset_get") int64_t palisade_asset_get(const char *path, size_t path_len);

/* Publishes JSON to a topic that the manifest names. Yes: somebody receives it. events:publish */
PALISADE_IMPORT("publish") int64_t
palisade_publish(const char *topic, size_t topic_len, const char *json, size_t json_len);

/* Sends JSON to one plugin, by its id. message:send */
PALISADE_IMPORT("message_send") int64_t
palisade_message_send(const char *to, size_t to_len, const char *json, size_t json_len);

/* Runs a command of a plugin that the manifest names as a dependency; the answer is that command's. plugin:call */
PALISADE_IMPORT("plugin_call") int64_t
palisade_plugin_call(const char *plugin, size_t plugin_len, const char *command, size_t command_len, const void *args,
                     size_t args_len);

/* Tells the host's event log something under the plugin's own name; the data is JSON. */
PALISADE_IMPORT("emit") int64_t palisade_emit(const char *name, size_t name_len, const char *json, size_t json_len);

/* JSON {host_version, abi_version, os, arch}. system:info */
PALISADE_IMPORT("system_info") int64_t palisade_system_info(void);

/* A function that the host application registered, by its name area:action. custom:<area>:<action> */
PALISADE_IMPORT("host_call") int64_t
palisade_host_call(const char *name, size_t name_len, const void *input, size_t input_len);

#endif
