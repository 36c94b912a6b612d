/* A backend that tells what it was asked: each property and parameter of a request comes back as a parameter "told_…" of
 * its response. A parameter sleep_ms holds its instance up. Compiled and run by tests/python/protocol_bench.py. */
#define _POSIX_C_SOURCE 199309L
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct Error Error;
typedef struct Instance Instance;
typedef struct Request Request;
typedef struct Response Response;
typedef struct Factory Factory;
typedef struct Statistics Statistics;
typedef struct Attributes Attributes;

enum { RELEASE_ALL = 1, COMPLETE_FINAL = 1 };
enum Kind { STRING = 0, INT = 1, BOOL = 2, DOUBLE = 3 };

extern void TRITONSERVER_ErrorDelete(Error*);
extern Error* TRITONBACKEND_RequestCorrelationId(Request*, uint64_t*);
extern Error* TRITONBACKEND_RequestCorrelationIdString(Request*, const char**);
extern Error* TRITONBACKEND_RequestFlags(Request*, uint32_t*);
extern Error* TRITONBACKEND_RequestId(Request*, const char**);
extern Error* TRITONBACKEND_RequestParameterCount(Request*, uint32_t*);
extern Error* TRITONBACKEND_RequestParameter(Request*, uint32_t, const char**, int*, const void**);
extern Error* TRITONBACKEND_RequestRelease(Request*, uint32_t);
extern Error* TRITONBACKEND_ResponseNew(Response**, Request*);
extern Error* TRITONBACKEND_ResponseSetStringParameter(Response*, const char*, const char*);
extern Error* TRITONBACKEND_ResponseSetIntParameter(Response*, const char*, int64_t);
extern Error* TRITONBACKEND_ResponseSetBoolParameter(Response*, const char*, bool);
extern Error* TRITONBACKEND_ResponseSetDoubleParameter(Response*, const char*, double);
extern Error* TRITONSERVER_BufferAttributesNew(Attributes**);
extern Error* TRITONSERVER_BufferAttributesDelete(Attributes*);
extern Error* TRITONSERVER_BufferAttributesSetByteSize(Attributes*, size_t);
extern Error* TRITONBACKEND_ModelInstanceReportMemoryUsage(Instance*, Attributes**, uint32_t);
extern Error* TRITONBACKEND_ResponseFactoryNew(Factory**, Request*);
extern Error* TRITONBACKEND_ResponseFactoryDelete(Factory*);
extern Error* TRITONBACKEND_ModelInstanceResponseStatisticsNew(Statistics**);
extern Error* TRITONBACKEND_ModelInstanceResponseStatisticsDelete(Statistics*);
extern Error* TRITONBACKEND_ModelInstanceResponseStatisticsSetModelInstance(Statistics*, Instance*);
extern Error* TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseFactory(Statistics*, Factory*);
extern Error* TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseStart(Statistics*, uint64_t);
extern Error* TRITONBACKEND_ModelInstanceResponseStatisticsSetComputeOutputStart(Statistics*, uint64_t);
extern Error* TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseEnd(Statistics*, uint64_t);
extern Error* TRITONBACKEND_ModelInstanceReportResponseStatistics(Statistics*);
extern Error* TRITONBACKEND_ResponseSend(Response*, uint32_t, Error*);

/* What a request does not have is an error of the host, and is not told. */
static bool good(Error* error) {
  if (error != NULL) TRITONSERVER_ErrorDelete(error);
  return error == NULL;
}

static void sleep_ms(int64_t milliseconds) {
  struct timespec span = {milliseconds / 1000, (milliseconds % 1000) * 1000000};
  nanosleep(&span, NULL);
}

static void tell_parameter(Response* response, const char* key, int kind, const void* value) {
  char name[128];
  snprintf(name, sizeof name, "told_%s", key);
  if (kind == STRING) good(TRITONBACKEND_ResponseSetStringParameter(response, name, (const char*)value));
  if (kind == INT) good(TRITONBACKEND_ResponseSetIntParameter(response, name, *(const int64_t*)value));
  if (kind == BOOL) good(TRITONBACKEND_ResponseSetBoolParameter(response, name, *(const bool*)value));
  if (kind == DOUBLE) good(TRITONBACKEND_ResponseSetDoubleParameter(response, name, *(const double*)value));
  if (kind == INT && strcmp(key, "sleep_ms") == 0) sleep_ms(*(const int64_t*)value);
}

/* Statistics of the response that is about to be sent: it took 2 ns, the last of them for its outputs. */
static void report(Instance* instance, Request* request) {
  Factory* factory = NULL;
  Statistics* statistics = NULL;
  if (!good(TRITONBACKEND_ResponseFactoryNew(&factory, request))) return;
  if (good(TRITONBACKEND_ModelInstanceResponseStatisticsNew(&statistics))) {
    good(TRITONBACKEND_ModelInstanceResponseStatisticsSetModelInstance(statistics, instance));
    good(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseFactory(statistics, factory));
    good(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseStart(statistics, 1));
    good(TRITONBACKEND_ModelInstanceResponseStatisticsSetComputeOutputStart(statistics, 2));
    good(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseEnd(statistics, 3));
    good(TRITONBACKEND_ModelInstanceReportResponseStatistics(statistics));
    good(TRITONBACKEND_ModelInstanceResponseStatisticsDelete(statistics));
  }
  good(TRITONBACKEND_ResponseFactoryDelete(factory));
}

static void tell(Instance* instance, Request* request) {
  Response* response = NULL;
  if (!good(TRITONBACKEND_ResponseNew(&response, request))) return;
  uint64_t number = 0;
  uint32_t flags = 0, count = 0;
  const char* text = NULL;
  if (good(TRITONBACKEND_RequestCorrelationId(request, &number)))
    good(TRITONBACKEND_ResponseSetIntParameter(response, "told_sequence", (int64_t)number));
  if (good(TRITONBACKEND_RequestCorrelationIdString(request, &text)))
    good(TRITONBACKEND_ResponseSetStringParameter(response, "told_sequence_text", text));
  if (good(TRITONBACKEND_RequestFlags(request, &flags)))
    good(TRITONBACKEND_ResponseSetIntParameter(response, "told_flags", flags));
  if (good(TRITONBACKEND_RequestId(request, &text)))
    good(TRITONBACKEND_ResponseSetStringParameter(response, "told_id", text));
  good(TRITONBACKEND_RequestParameterCount(request, &count));
  for (uint32_t index = 0; index < count; ++index) {
    const char* key = NULL;
    const void* value = NULL;
    int kind = -1;
    if (good(TRITONBACKEND_RequestParameter(request, index, &key, &kind, &value)))
      tell_parameter(response, key, kind, value);
  }
  report(instance, request);
  good(TRITONBACKEND_ResponseSend(response, COMPLETE_FINAL, NULL));
}

/* It says to hold 41 bytes of the machine's memory. */
Error* TRITONBACKEND_ModelInstanceInitialize(Instance* instance) {
  Attributes* memory = NULL;
  if (!good(TRITONSERVER_BufferAttributesNew(&memory))) return NULL;
  good(TRITONSERVER_BufferAttributesSetByteSize(memory, 41));
  good(TRITONBACKEND_ModelInstanceReportMemoryUsage(instance, &memory, 1));
  good(TRITONSERVER_BufferAttributesDelete(memory));
  return NULL;
}

Error* TRITONBACKEND_ModelInstanceExecute(Instance* instance, Request** requests, const uint32_t count) {
  for (uint32_t index = 0; index < count; ++index) {
    tell(instance, requests[index]);
    good(TRITONBACKEND_RequestRelease(requests[index], RELEASE_ALL));
  }
  return NULL;
}
