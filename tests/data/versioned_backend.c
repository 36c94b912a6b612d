/* A backend that checks the server's version of the backend API as Triton's own backends do: the same major version, and no
 * minor version below the one it was built for, BUILT_FOR_MAJOR and BUILT_FOR_MINOR. Compiled by tests/tests/e2e/libraries.rs;
 * with NO_EXECUTE it lacks the one function that a backend must have. */
#include <stdint.h>
#include <stdio.h>
#include <stddef.h>

typedef struct Error Error;
typedef struct Backend Backend;
typedef struct Instance Instance;
typedef struct Request Request;

enum { RELEASE_ALL = 1, ERROR_UNSUPPORTED = 5 };

extern Error* TRITONSERVER_ErrorNew(int code, const char* message);
extern Error* TRITONBACKEND_ApiVersion(uint32_t*, uint32_t*);
extern Error* TRITONBACKEND_RequestRelease(Request*, uint32_t);

Error* TRITONBACKEND_Initialize(Backend* backend) {
  (void)backend;
  uint32_t major = 0, minor = 0;
  Error* error = TRITONBACKEND_ApiVersion(&major, &minor);
  if (error != NULL) return error;
  const uint32_t built_for_major = BUILT_FOR_MAJOR, built_for_minor = BUILT_FOR_MINOR;
  if (major == built_for_major && minor >= built_for_minor) return NULL;
  char text[128];
  snprintf(
      text, sizeof(text), "triton backend API version does not support this backend: built for %u.%u, got %u.%u",
      (unsigned)built_for_major, (unsigned)built_for_minor, (unsigned)major, (unsigned)minor);
  return TRITONSERVER_ErrorNew(ERROR_UNSUPPORTED, text);
}

#ifndef NO_EXECUTE
Error* TRITONBACKEND_ModelInstanceExecute(Instance* instance, Request** requests, const uint32_t count) {
  (void)instance;
  for (uint32_t index = 0; index < count; ++index) {
    Error* error = TRITONBACKEND_RequestRelease(requests[index], RELEASE_ALL);
    if (error != NULL) return error;
  }
  return NULL;
}
#endif
