//! What the server tells of itself and its models, as messages.

use hippocamp_core::{IndexEntry, ModelMetadata, ServerMetadata, TensorMetadata};
use hippocamp_proto::inference as proto;
use hippocamp_shm::RegionStatus;
use hippocamp_telemetry::{
    BatchReport, DurationCount, MemoryUsage, ResponseReport, StatisticsReport,
};

/// Answer to ServerMetadata.
pub(crate) fn server(metadata: ServerMetadata) -> proto::ServerMetadataResponse {
    proto::ServerMetadataResponse {
        name: metadata.name,
        version: metadata.version.to_owned(),
        extensions: metadata.extensions.iter().map(|&extension| extension.to_owned()).collect(),
    }
}

/// Answer to ModelMetadata.
pub(crate) fn model(metadata: ModelMetadata) -> proto::ModelMetadataResponse {
    let tensors = |tensors: Vec<TensorMetadata>| {
        tensors
            .into_iter()
            .map(|tensor| proto::model_metadata_response::TensorMetadata {
                name: tensor.name,
                datatype: tensor.datatype.name().to_owned(),
                shape: tensor.shape.dims().to_vec(),
            })
            .collect()
    };
    proto::ModelMetadataResponse {
        name: metadata.name,
        versions: metadata.versions.iter().map(u64::to_string).collect(),
        platform: metadata.platform,
        inputs: tensors(metadata.inputs),
        outputs: tensors(metadata.outputs),
    }
}

/// Answer to RepositoryIndex.
pub(crate) fn index(entries: Vec<IndexEntry>) -> proto::RepositoryIndexResponse {
    let models = entries
        .into_iter()
        .map(|entry| proto::repository_index_response::ModelIndex {
            name: entry.name,
            version: entry.version.map(|version| version.to_string()).unwrap_or_default(),
            state: entry.state.map(|state| state.name().to_owned()).unwrap_or_default(),
            reason: entry.reason,
        })
        .collect();
    proto::RepositoryIndexResponse { models }
}

/// Answer to SystemSharedMemoryStatus.
pub(crate) fn regions(regions: Vec<RegionStatus>) -> proto::SystemSharedMemoryStatusResponse {
    let regions = regions.into_iter().map(|RegionStatus { name, key, offset, byte_size }| {
        let status = proto::system_shared_memory_status_response::RegionStatus {
            name: name.clone(),
            key,
            offset,
            byte_size,
        };
        (name, status)
    });
    proto::SystemSharedMemoryStatusResponse { regions: regions.collect() }
}

/// Answer to ModelStatistics.
pub(crate) fn statistics(reports: &[StatisticsReport]) -> proto::ModelStatisticsResponse {
    proto::ModelStatisticsResponse { model_stats: reports.iter().map(model_statistics).collect() }
}

fn model_statistics(report: &StatisticsReport) -> proto::ModelStatistics {
    proto::ModelStatistics {
        name: report.name.clone(),
        version: report.version.to_string(),
        last_inference: report.last_inference_ms,
        inference_count: report.inference_count,
        execution_count: report.execution_count,
        inference_stats: Some(proto::InferStatistics {
            success: duration(report.success),
            fail: duration(report.fail),
            queue: duration(report.queue),
            compute_input: duration(report.compute_input),
            compute_infer: duration(report.compute_infer),
            compute_output: duration(report.compute_output),
            cache_hit: duration(report.cache_hit),
            cache_miss: duration(report.cache_miss),
        }),
        batch_stats: report.batches.iter().map(batch).collect(),
        memory_usage: report.memory_usage.iter().map(memory).collect(),
        response_stats: report
            .responses
            .iter()
            .enumerate()
            .map(|(place, report)| (place.to_string(), response(report)))
            .collect(),
    }
}

fn response(report: &ResponseReport) -> proto::InferResponseStatistics {
    proto::InferResponseStatistics {
        compute_infer: duration(report.compute_infer),
        compute_output: duration(report.compute_output),
        success: duration(report.success),
        fail: duration(report.fail),
        empty_response: duration(report.empty_response),
        cancel: duration(report.cancel),
    }
}

fn memory(usage: &MemoryUsage) -> proto::MemoryUsage {
    proto::MemoryUsage { r#type: usage.kind.to_owned(), id: usage.id, byte_size: usage.byte_size }
}

fn batch(report: &BatchReport) -> proto::InferBatchStatistics {
    proto::InferBatchStatistics {
        batch_size: report.batch_size,
        compute_input: duration(report.compute_input),
        compute_infer: duration(report.compute_infer),
        compute_output: duration(report.compute_output),
    }
}

// An `Option`, since that is what fields of messages are.
#[expect(clippy::unnecessary_wraps, reason = "every caller fills a field of a message")]
fn duration(duration: DurationCount) -> Option<proto::StatisticDuration> {
    Some(proto::StatisticDuration { count: duration.count, ns: duration.ns })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_core::ModelState;

    #[test]
    fn a_model_that_was_never_loaded_has_neither_version_nor_state() {
        let entry =
            |version, state| IndexEntry { name: "m".into(), version, state, reason: String::new() };
        let index = index(vec![entry(None, None), entry(Some(3), Some(ModelState::Ready))]);
        let [unloaded, ready] = index.models.as_slice() else { panic!("{index:?}") };
        assert_eq!((unloaded.version.as_str(), unloaded.state.as_str()), ("", ""));
        assert_eq!((ready.version.as_str(), ready.state.as_str()), ("3", "READY"));
    }

    #[test]
    fn every_duration_of_a_report_has_its_field() {
        let of = |count| DurationCount { count, ns: count * 10 };
        let report = StatisticsReport {
            name: "m".into(),
            version: 2,
            last_inference_ms: 5,
            inference_count: 6,
            execution_count: 7,
            success: of(11),
            fail: of(12),
            queue: of(13),
            compute_input: of(14),
            compute_infer: of(15),
            compute_output: of(16),
            cache_hit: of(17),
            cache_miss: of(18),
            batches: vec![BatchReport {
                batch_size: 4,
                compute_input: of(21),
                compute_infer: of(22),
                compute_output: of(23),
            }],
            responses: vec![ResponseReport {
                compute_infer: of(31),
                compute_output: of(32),
                success: of(33),
                fail: of(34),
                empty_response: of(35),
                cancel: of(36),
            }],
            memory_usage: vec![MemoryUsage { kind: "CPU", id: 1, byte_size: 41 }],
        };
        let message = &statistics(&[report]).model_stats[0];
        let stats = message.inference_stats.as_ref().unwrap();
        let counts = [
            &stats.success,
            &stats.fail,
            &stats.queue,
            &stats.compute_input,
            &stats.compute_infer,
            &stats.compute_output,
            &stats.cache_hit,
            &stats.cache_miss,
        ]
        .map(|duration| {
            let duration = duration.as_ref().unwrap();
            assert_eq!(duration.ns, duration.count * 10);
            duration.count
        });
        assert_eq!(counts, [11, 12, 13, 14, 15, 16, 17, 18]);
        let batch = &message.batch_stats[0];
        assert_eq!(batch.batch_size, 4);
        assert_eq!(batch.compute_output.as_ref().unwrap().count, 23);
        let first = &message.response_stats["0"];
        let counts = [
            &first.compute_infer,
            &first.compute_output,
            &first.success,
            &first.fail,
            &first.empty_response,
            &first.cancel,
        ];
        assert_eq!(counts.map(|of| of.as_ref().unwrap().count), [31, 32, 33, 34, 35, 36]);
        let memory = &message.memory_usage[0];
        assert_eq!((memory.r#type.as_str(), memory.id, memory.byte_size), ("CPU", 1, 41));
        assert_eq!(
            (message.last_inference, message.inference_count, message.execution_count),
            (5, 6, 7)
        );
    }
}
