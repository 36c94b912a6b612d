/* A custom batching strategy in C, against declarations of our own: a batch holds at most LIMIT_BYTES (a parameter of the
 * model) of inputs. The include function fails for a request with id "bad". Compiled and run by tests/tests/e2e/strategies.rs;
 * with INCOMPLETE it lacks a function, with EMPTY all of them. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct Error Error;
typedef struct Message Message;
typedef struct Model Model;
typedef struct Request Request;
typedef struct Input Input;

/* The strategy of one model. */
typedef struct {
  uint64_t limit;
} Batcher;

/* A batch that is being formed. */
typedef struct {
  uint64_t left;
} Batch;

#ifndef EMPTY
enum { ERROR_INTERNAL = 1, ERROR_INVALID_ARG = 3 };

extern Error* TRITONSERVER_ErrorNew(int code, const char* message);
extern Error* TRITONSERVER_MessageSerializeToJson(Message*, const char**, size_t*);
extern Error* TRITONSERVER_MessageDelete(Message*);
extern Error* TRITONBACKEND_ModelConfig(Model*, uint32_t, Message**);
extern Error* TRITONBACKEND_RequestId(Request*, const char**);
extern Error* TRITONBACKEND_RequestInputCount(Request*, uint32_t*);
extern Error* TRITONBACKEND_RequestInputByIndex(Request*, uint32_t, Input**);
extern Error* TRITONBACKEND_InputProperties(
    Input*, const char**, int*, const int64_t**, uint32_t*, uint64_t*, uint32_t*);

Error* TRITONBACKEND_ModelBatcherInitialize(Batcher** batcher, Model* model) {
  Message* message = NULL;
  Error* error = TRITONBACKEND_ModelConfig(model, 1, &message);
  if (error != NULL) return error;
  const char* json = NULL;
  size_t length = 0;
  error = TRITONSERVER_MessageSerializeToJson(message, &json, &length);
  if (error != NULL) return error;
  uint64_t limit = 0;
  const char* key = strstr(json, "\"LIMIT_BYTES\"");
  if (key != NULL) {
    const char* value = strstr(key, "\"string_value\":\"");
    if (value != NULL) limit = strtoull(value + strlen("\"string_value\":\""), NULL, 10);
  }
  error = TRITONSERVER_MessageDelete(message);
  if (error != NULL) return error;
  if (limit == 0) return TRITONSERVER_ErrorNew(ERROR_INVALID_ARG, "parameter LIMIT_BYTES is to be a number above 0");
  *batcher = malloc(sizeof(Batcher));
  if (*batcher == NULL) return TRITONSERVER_ErrorNew(ERROR_INTERNAL, "out of memory");
  (*batcher)->limit = limit;
  return NULL;
}

Error* TRITONBACKEND_ModelBatcherFinalize(Batcher* batcher) {
  free(batcher);
  return NULL;
}

Error* TRITONBACKEND_ModelBatchInitialize(const Batcher* batcher, void** userp) {
  Batch* batch = malloc(sizeof(Batch));
  if (batch == NULL) return TRITONSERVER_ErrorNew(ERROR_INTERNAL, "out of memory");
  batch->left = batcher->limit;
  *userp = batch;
  return NULL;
}

Error* TRITONBACKEND_ModelBatchIncludeRequest(Request* request, void* userp, bool* should_include) {
  Batch* batch = userp;
  const char* id = NULL;
  Error* error = TRITONBACKEND_RequestId(request, &id);
  if (error != NULL) return error;
  if (strcmp(id, "bad") == 0) return TRITONSERVER_ErrorNew(ERROR_INVALID_ARG, "this one is bad");
  uint32_t inputs = 0;
  error = TRITONBACKEND_RequestInputCount(request, &inputs);
  uint64_t bytes = 0;
  for (uint32_t index = 0; error == NULL && index < inputs; ++index) {
    Input* input = NULL;
    uint64_t size = 0;
    error = TRITONBACKEND_RequestInputByIndex(request, index, &input);
    if (error == NULL) error = TRITONBACKEND_InputProperties(input, NULL, NULL, NULL, NULL, &size, NULL);
    bytes += size;
  }
  if (error != NULL) return error;
  *should_include = bytes <= batch->left;
  if (*should_include) batch->left -= bytes;
  return NULL;
}

#ifndef INCOMPLETE
Error* TRITONBACKEND_ModelBatchFinalize(void* userp) {
  free(userp);
  return NULL;
}
#endif
#endif
