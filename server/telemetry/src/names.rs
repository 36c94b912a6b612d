//! Names and help texts of every metric. `nv_*` are Triton's (core: src/metrics.cc), the rest ours
//! or, for `process_*`, those that every Prometheus client library uses.

/// A metric family's name and help text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
}

const fn name(name: &'static str, help: &'static str) -> Name {
    Name { name, help }
}

pub(crate) const REQUEST_SUCCESS: Name = name(
    "nv_inference_request_success",
    "Number of successful inference requests, all batch sizes",
);
pub(crate) const REQUEST_FAILURE: Name =
    name("nv_inference_request_failure", "Number of failed inference requests, all batch sizes");
pub(crate) const INFERENCE_COUNT: Name =
    name("nv_inference_count", "Number of inferences performed (does not include cached requests)");
pub(crate) const EXECUTION_COUNT: Name = name(
    "nv_inference_exec_count",
    "Number of model executions performed (does not include cached requests)",
);
pub(crate) const REQUEST_DURATION: Name = name(
    "nv_inference_request_duration_us",
    "Cumulative inference request duration in microseconds (includes cached requests)",
);
pub(crate) const QUEUE_DURATION: Name = name(
    "nv_inference_queue_duration_us",
    "Cumulative inference queuing duration in microseconds (includes cached requests)",
);
pub(crate) const COMPUTE_INPUT_DURATION: Name = name(
    "nv_inference_compute_input_duration_us",
    "Cumulative compute input duration in microseconds (does not include cached requests)",
);
pub(crate) const COMPUTE_INFER_DURATION: Name = name(
    "nv_inference_compute_infer_duration_us",
    "Cumulative compute inference duration in microseconds (does not include cached requests)",
);
pub(crate) const COMPUTE_OUTPUT_DURATION: Name = name(
    "nv_inference_compute_output_duration_us",
    "Cumulative inference compute output duration in microseconds (does not include cached requests)",
);
pub(crate) const PENDING_REQUESTS: Name = name(
    "nv_inference_pending_request_count",
    "Instantaneous number of pending requests awaiting execution per-model.",
);
pub(crate) const LOAD_DURATION: Name =
    name("nv_model_load_duration_secs", "Model load time in seconds");
pub(crate) const FIRST_RESPONSE: Name = name(
    "nv_inference_first_response_histogram_ms",
    "Duration from request to first response in milliseconds",
);
pub(crate) const CPU_UTILIZATION: Name =
    name("nv_cpu_utilization", "CPU utilization rate [0.0 - 1.0]");
pub(crate) const CPU_MEMORY_TOTAL: Name =
    name("nv_cpu_memory_total_bytes", "CPU total memory (RAM), in bytes");
pub(crate) const CPU_MEMORY_USED: Name =
    name("nv_cpu_memory_used_bytes", "CPU used memory (RAM), in bytes");

pub(crate) const REQUEST_SECONDS: Name = name(
    "hippocamp_inference_request_duration_seconds",
    "Time from the whole request to its last response, successful requests",
);
pub(crate) const QUEUE_SECONDS: Name = name(
    "hippocamp_inference_queue_duration_seconds",
    "Time a successful request waited in its model's queue",
);
pub(crate) const COMPUTE_SECONDS: Name = name(
    "hippocamp_inference_compute_duration_seconds",
    "Time the execution of a successful request took, inputs and outputs included",
);

pub(crate) const MODEL_MEMORY: Name = name(
    "hippocamp_model_memory_bytes",
    "Memory that a model version and its instances need, as its backend reports it",
);
pub(crate) const MODEL_LOADS: Name = name(
    "hippocamp_model_loads_total",
    "Loads of a model that ended, by outcome; after a failure what served before goes on",
);

pub(crate) const TRACES_LOST: Name = name(
    "hippocamp_traces_lost_total",
    "Traced requests whose traces were dropped or could not be written",
);

pub(crate) const PROCESS_CPU: Name =
    name("process_cpu_seconds_total", "Total user and system CPU time spent in seconds");
pub(crate) const PROCESS_MEMORY: Name =
    name("process_resident_memory_bytes", "Resident memory size in bytes");
pub(crate) const PROCESS_FDS: Name = name("process_open_fds", "Number of open file descriptors");
pub(crate) const PROCESS_THREADS: Name = name("process_threads", "Number of OS threads");
pub(crate) const PROCESS_START: Name =
    name("process_start_time_seconds", "Start time of the process since unix epoch in seconds");

/// Every name above.
const ALL: [Name; 26] = [
    REQUEST_SUCCESS,
    REQUEST_FAILURE,
    INFERENCE_COUNT,
    EXECUTION_COUNT,
    REQUEST_DURATION,
    QUEUE_DURATION,
    COMPUTE_INPUT_DURATION,
    COMPUTE_INFER_DURATION,
    COMPUTE_OUTPUT_DURATION,
    PENDING_REQUESTS,
    LOAD_DURATION,
    FIRST_RESPONSE,
    CPU_UTILIZATION,
    CPU_MEMORY_TOTAL,
    CPU_MEMORY_USED,
    REQUEST_SECONDS,
    QUEUE_SECONDS,
    COMPUTE_SECONDS,
    MODEL_MEMORY,
    MODEL_LOADS,
    TRACES_LOST,
    PROCESS_CPU,
    PROCESS_MEMORY,
    PROCESS_FDS,
    PROCESS_THREADS,
    PROCESS_START,
];

/// Whether the server itself shows a metric family of this name.
pub(crate) fn is_ours(name: &str) -> bool {
    ALL.iter().any(|ours| ours.name == name)
}
