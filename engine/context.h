/* SPDX-License-Identifier: MIT
 *
 * The library context: where errors and log lines go, and where caches lie.
 * It holds no device and makes no OpenCL call, so files can be read and models
 * checked on a machine without any.
 *
 * Errors: every fallible function of the library returns an enum nt_status and
 * gives results by out-pointer, set only on success. The function that detects
 * an error writes the message with nt_fail(); callers hand the status up.
 * The library never prints and never exits.
 *
 * Ownership, everywhere: create/destroy and open/close pair up, and destroy and
 * close accept NULL. A params struct is read during the call only; zero in a
 * field means its default. Strings handed in are copied.
 */
#ifndef NT_ENGINE_CONTEXT_H
#define NT_ENGINE_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define NT_API __attribute__((visibility("default")))
#define NT_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define NT_API
#define NT_PRINTF(f, a)
#endif

enum nt_status {
    NT_OK = 0,
    NT_ERR_ARGUMENT,    /* a caller's value breaks a stated rule */
    NT_ERR_SHAPE,       /* tensor shapes do not fit together */
    NT_ERR_FILE,        /* the operating system refused a file operation */
    NT_ERR_FORMAT,      /* a file's content breaks its format */
    NT_ERR_MEMORY,      /* host or device memory is exhausted */
    NT_ERR_DEVICE,      /* no device, or OpenCL refused a call */
    NT_ERR_COMPILE,     /* a kernel does not build on this device */
    NT_ERR_UNSUPPORTED, /* known and understood, but not offered */
    NT_ERR_NUMERIC,     /* NaN or infinity where a finite number is needed */
    NT_ERR_INTERRUPTED, /* stopped on request, state saved */
};

enum nt_log_level { NT_LOG_DEBUG, NT_LOG_INFO, NT_LOG_WARNING };

/* Thread-safety: nt_fail and nt_log may be called from any thread; the message
 * of the latest failure is kept. Lifetime: outlives everything made from it. */
struct nt_context;

struct nt_context_params {
    /* Receives log lines without a newline. NULL: lines are dropped. Called with
     * an internal lock held, from any thread: must not call the library. */
    void (*log)(void *user, enum nt_log_level level, const char *text);
    void *log_user;
    /* Folder for compiled programs. NULL: $NEUTRA_CACHE_DIR, else
     * $XDG_CACHE_HOME/neutra, else ~/.cache/neutra. "": no cache on disk. */
    const char *cache_dir;
};

/* params may be NULL. Fails with NT_ERR_MEMORY only. */
NT_API enum nt_status nt_context_create(
    const struct nt_context_params *params, struct nt_context **out);
NT_API void nt_context_destroy(struct nt_context *ctx);

/* Message of the latest failure ("" when none): one line that names the thing,
 * the value and the rule. The context's own, until the next failure in any
 * thread that uses the context. */
NT_API const char *nt_error_message(const struct nt_context *ctx);

/* Folder for compiled programs, "" when there is none. */
NT_API const char *nt_cache_dir(const struct nt_context *ctx);

/* The one place where errors are written; a debugger breaks here.
 * Returns status. */
NT_API enum nt_status nt_fail(struct nt_context *ctx, enum nt_status status, const char *fmt, ...)
    NT_PRINTF(3, 4);

/* The same for a refused OpenCL call: the code's name is appended and the status
 * is NT_ERR_MEMORY for out-of-memory codes, else NT_ERR_DEVICE. */
NT_API enum nt_status nt_fail_cl(struct nt_context *ctx, int cl_code, const char *fmt, ...)
    NT_PRINTF(3, 4);

/* "1.2 MiB", for messages and tables; returns text. 16 bytes of it are enough. */
NT_API const char *nt_bytes_text(double bytes, char *text, size_t size);

/* Puts "prefix: " before the message of the failure that was just reported:
 * a caller that knows more about the thing adds it. Returns status. */
NT_API enum nt_status nt_fail_prefix(
    struct nt_context *ctx, enum nt_status status, const char *fmt, ...) NT_PRINTF(3, 4);

/* One line for params.log, without a newline; dropped where there is none. */
NT_API void nt_log(struct nt_context *ctx, enum nt_log_level level, const char *fmt, ...)
    NT_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
#endif
