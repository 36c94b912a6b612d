/* A backend in C, against declarations of our own: the names, numbers and signatures of Triton's backend API, as any
 * foreign backend has them. OUTPUT0 is INPUT0. Compiled and run by tests/tests/c_backend.rs. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct Error Error;
typedef struct Model Model;
typedef struct Instance Instance;
typedef struct Request Request;
typedef struct Response Response;
typedef struct Input Input;
typedef struct Output Output;

enum { MEMORY_CPU = 0, RELEASE_ALL = 1, COMPLETE_FINAL = 1, ERROR_INVALID_ARG = 3 };

extern Error* TRITONSERVER_ErrorNew(int code, const char* message);
extern void TRITONSERVER_ErrorDelete(Error*);
extern Error* TRITONBACKEND_ModelSetState(Model*, void*);
extern Error* TRITONBACKEND_ModelState(Model*, void**);
extern Error* TRITONBACKEND_ModelInstanceModel(Instance*, Model**);
extern Error* TRITONBACKEND_RequestInput(Request*, const char*, Input**);
extern Error* TRITONBACKEND_RequestRelease(Request*, uint32_t);
extern Error* TRITONBACKEND_InputProperties(
    Input*, const char**, int*, const int64_t**, uint32_t*, uint64_t*, uint32_t*);
extern Error* TRITONBACKEND_InputBuffer(Input*, uint32_t, const void**, uint64_t*, int*, int64_t*);
extern Error* TRITONBACKEND_ResponseNew(Response**, Request*);
extern Error* TRITONBACKEND_ResponseSend(Response*, uint32_t, Error*);
extern Error* TRITONBACKEND_ResponseOutput(
    Response*, Output**, const char*, int, const int64_t*, uint32_t);
extern Error* TRITONBACKEND_OutputBuffer(Output*, void**, uint64_t, int*, int64_t*);

/* Requests answered, in memory of the backend's own. */
typedef struct {
  uint64_t answered;
} State;

Error* TRITONBACKEND_ModelInitialize(Model* model) {
  State* state = calloc(1, sizeof(State));
  if (state == NULL) return TRITONSERVER_ErrorNew(ERROR_INVALID_ARG, "out of memory");
  return TRITONBACKEND_ModelSetState(model, state);
}

Error* TRITONBACKEND_ModelFinalize(Model* model) {
  void* state = NULL;
  Error* error = TRITONBACKEND_ModelState(model, &state);
  free(state);
  return error;
}

/* Copies the input into the one output of a new response. */
static Error* answer(Request* request, Response* response) {
  Input* input = NULL;
  Error* error = TRITONBACKEND_RequestInput(request, "INPUT0", &input);
  if (error != NULL) return error;
  const char* name = NULL;
  const int64_t* shape = NULL;
  int datatype = 0;
  uint32_t rank = 0, buffers = 0;
  uint64_t size = 0;
  error = TRITONBACKEND_InputProperties(input, &name, &datatype, &shape, &rank, &size, &buffers);
  if (error != NULL) return error;
  Output* output = NULL;
  error = TRITONBACKEND_ResponseOutput(response, &output, "OUTPUT0", datatype, shape, rank);
  if (error != NULL) return error;
  void* to = NULL;
  int memory = MEMORY_CPU;
  int64_t memory_id = 0;
  error = TRITONBACKEND_OutputBuffer(output, &to, size, &memory, &memory_id);
  if (error != NULL) return error;
  for (uint32_t index = 0; index < buffers; ++index) {
    const void* from = NULL;
    uint64_t length = 0;
    error = TRITONBACKEND_InputBuffer(input, index, &from, &length, &memory, &memory_id);
    if (error != NULL) return error;
    memcpy(to, from, length);
    to = (char*)to + length;
  }
  return NULL;
}

Error* TRITONBACKEND_ModelInstanceExecute(Instance* instance, Request** requests, const uint32_t count) {
  Model* model = NULL;
  void* state = NULL;
  Error* error = TRITONBACKEND_ModelInstanceModel(instance, &model);
  if (error == NULL) error = TRITONBACKEND_ModelState(model, &state);
  if (error != NULL) return error;
  for (uint32_t index = 0; index < count; ++index) {
    Response* response = NULL;
    error = TRITONBACKEND_ResponseNew(&response, requests[index]);
    if (error == NULL) {
      Error* failure = answer(requests[index], response);
      error = TRITONBACKEND_ResponseSend(response, COMPLETE_FINAL, failure);
      /* The host reads the failure; it stays the backend's. */
      if (failure != NULL) TRITONSERVER_ErrorDelete(failure);
      ((State*)state)->answered += 1;
    }
    if (error != NULL) TRITONSERVER_ErrorDelete(error);
    error = TRITONBACKEND_RequestRelease(requests[index], RELEASE_ALL);
    if (error != NULL) TRITONSERVER_ErrorDelete(error);
  }
  return NULL;
}
