/* A plugin with one command. palisade.h says what a plugin defines and what the host offers. */

#include "palisade.h"

PALISADE_PLUGIN

int64_t plugin_init(const uint8_t *json, size_t len) {
    (void)json, (void)len;
    return palisade_ok();
}

/* The input buffer is the plugin's own until the next entry, so the answer is made where the question lies. */
static int64_t shout(uint8_t *text, size_t len) {
    for (size_t at = 0; at < len; at++) {
        if (text[at] >= 'a' && text[at] <= 'z') text[at] -= 'a' - 'A';
    }
    return palisade_bytes(text, len);
}

int64_t plugin_command(const char *name, size_t name_len, uint8_t *args, size_t args_len) {
    if (palisade_is(name, name_len, "shout")) return shout(args, args_len);
    return palisade_error("INVALID_COMMAND", "there is no such command");
}

int64_t plugin_cleanup(void) { return palisade_ok(); }
