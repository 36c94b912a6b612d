/* A backend that does one thing wrong, which HOW names. Compiled and run by tests/tests/e2e/libraries.rs. */
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

typedef struct Error Error;
typedef struct Object Object;
typedef struct Request Request;
typedef struct Response Response;

enum { RELEASE_ALL = 1, COMPLETE_FINAL = 1, ERROR_UNAVAILABLE = 4, LEVEL_WARN = 1 };
enum How {
  INITIALIZE,
  ATTRIBUTE,
  MODEL_INITIALIZE,
  INSTANCE_INITIALIZE,
  EXECUTE,
  EVERY_FINALIZE,
  ANSWERS_TWICE,
  ANSWERS_AFTER_RELEASE,
  FOREIGN_ERROR,
  NEVER_ANSWERS,
  LEAKS_RESPONSE,
  LEAKS_REQUEST,
};

extern Error* TRITONSERVER_ErrorNew(int code, const char* message);
extern void TRITONSERVER_ErrorDelete(Error*);
extern Error* TRITONSERVER_LogMessage(int level, const char* file, int line, const char* message);
extern Error* TRITONBACKEND_RequestRelease(Request*, uint32_t);
extern Error* TRITONBACKEND_ResponseNew(Response**, Request*);
extern Error* TRITONBACKEND_ResponseSend(Response*, uint32_t, Error*);

static Error* refuse(enum How how, const char* message) {
  return HOW == how ? TRITONSERVER_ErrorNew(ERROR_UNAVAILABLE, message) : NULL;
}

Error* TRITONBACKEND_Initialize(Object* backend) {
  (void)backend;
  return refuse(INITIALIZE, "Initialize refuses");
}

Error* TRITONBACKEND_GetBackendAttribute(Object* backend, Object* attributes) {
  (void)backend;
  (void)attributes;
  return refuse(ATTRIBUTE, "GetBackendAttribute refuses");
}

Error* TRITONBACKEND_ModelInitialize(Object* model) {
  (void)model;
  return refuse(MODEL_INITIALIZE, "ModelInitialize refuses");
}

Error* TRITONBACKEND_ModelInstanceInitialize(Object* instance) {
  (void)instance;
  return refuse(INSTANCE_INITIALIZE, "ModelInstanceInitialize refuses");
}

Error* TRITONBACKEND_ModelInstanceFinalize(Object* instance) {
  (void)instance;
  return refuse(EVERY_FINALIZE, "ModelInstanceFinalize refuses");
}

Error* TRITONBACKEND_ModelFinalize(Object* model) {
  (void)model;
  return refuse(EVERY_FINALIZE, "ModelFinalize refuses");
}

Error* TRITONBACKEND_Finalize(Object* backend) {
  (void)backend;
  return refuse(EVERY_FINALIZE, "Finalize refuses");
}

/* A response without outputs; an error of the host is forgotten. */
static void answer(Request* request) {
  Response* response = NULL;
  Error* error = TRITONBACKEND_ResponseNew(&response, request);
  if (error == NULL) error = TRITONBACKEND_ResponseSend(response, COMPLETE_FINAL, NULL);
  if (error != NULL) TRITONSERVER_ErrorDelete(error);
}

Error* TRITONBACKEND_ModelInstanceExecute(Object* instance, Request** requests, const uint32_t count) {
  (void)instance;
  static uint64_t no_error[8];
  if (HOW == EXECUTE) return TRITONSERVER_ErrorNew(ERROR_UNAVAILABLE, "Execute refuses");
  if (HOW == FOREIGN_ERROR) return (Error*)no_error;
  for (uint32_t index = 0; index < count; ++index) {
    Response* forgotten = NULL;
    if (HOW >= NEVER_ANSWERS) TRITONSERVER_LogMessage(LEVEL_WARN, __FILE__, __LINE__, "a request is kept");
    if (HOW == NEVER_ANSWERS) continue;
    if (HOW == LEAKS_RESPONSE) {
      Error* error = TRITONBACKEND_ResponseNew(&forgotten, requests[index]);
      if (error != NULL) TRITONSERVER_ErrorDelete(error);
    } else if (HOW != ANSWERS_AFTER_RELEASE) {
      answer(requests[index]);
    }
    if (HOW == LEAKS_REQUEST) continue;
    if (HOW == ANSWERS_TWICE) answer(requests[index]);
    Error* error = TRITONBACKEND_RequestRelease(requests[index], RELEASE_ALL);
    if (error != NULL) TRITONSERVER_ErrorDelete(error);
    if (HOW == ANSWERS_AFTER_RELEASE) answer(requests[index]);
  }
  return NULL;
}
