//! Datatypes under their three names: ONNX's, tract's, the protocol's.

use hippocamp_backend::DataType;
use tract_core::internal::DatumType;
use tract_onnx::pb::tensor_proto::DataType as OnnxType;

/// One row per datatype that tract and the protocol share: BF16 is missing from tract.
const TABLE: [(OnnxType, DataType, DatumType); 13] = [
    (OnnxType::Bool, DataType::Bool, DatumType::Bool),
    (OnnxType::Uint8, DataType::Uint8, DatumType::U8),
    (OnnxType::Uint16, DataType::Uint16, DatumType::U16),
    (OnnxType::Uint32, DataType::Uint32, DatumType::U32),
    (OnnxType::Uint64, DataType::Uint64, DatumType::U64),
    (OnnxType::Int8, DataType::Int8, DatumType::I8),
    (OnnxType::Int16, DataType::Int16, DatumType::I16),
    (OnnxType::Int32, DataType::Int32, DatumType::I32),
    (OnnxType::Int64, DataType::Int64, DatumType::I64),
    (OnnxType::Float16, DataType::Fp16, DatumType::F16),
    (OnnxType::Float, DataType::Fp32, DatumType::F32),
    (OnnxType::Double, DataType::Fp64, DatumType::F64),
    (OnnxType::String, DataType::Bytes, DatumType::String),
];

/// The datatype with this number in an ONNX file, and tract's; `None` if one of them lacks it.
pub(crate) fn from_onnx(elem_type: i32) -> Option<(DataType, DatumType)> {
    let onnx = OnnxType::try_from(elem_type).ok()?;
    TABLE.iter().find(|row| row.0 == onnx).map(|row| (row.1, row.2))
}

/// ONNX's name for a number, as far as tract's schema knows it.
pub(crate) fn onnx_name(elem_type: i32) -> String {
    match OnnxType::try_from(elem_type) {
        Ok(onnx) => onnx.as_str_name().to_owned(),
        Err(_unknown) => format!("number {elem_type}"),
    }
}

/// Every datatype, for error texts.
pub(crate) fn supported_names() -> String {
    TABLE.iter().map(|row| row.1.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_meet() {
        let check = |onnx: OnnxType, expect: Option<(&str, &str)>| {
            let found = from_onnx(onnx as i32).map(|(datatype, _)| datatype);
            let names = found.map(|datatype| (datatype.name(), datatype.config_name()));
            assert_eq!(names, expect.map(|(wire, config)| (wire, config.to_owned())), "{onnx:?}");
        };
        check(OnnxType::Float, Some(("FP32", "TYPE_FP32")));
        check(OnnxType::String, Some(("BYTES", "TYPE_STRING")));
        check(OnnxType::Bool, Some(("BOOL", "TYPE_BOOL")));
        check(OnnxType::Bfloat16, None);
        check(OnnxType::Complex64, None);
        check(OnnxType::Undefined, None);
        assert_eq!(from_onnx(-1), None);
        assert_eq!(onnx_name(16), "BFLOAT16");
        assert_eq!(onnx_name(99), "number 99");
    }

    #[test]
    fn sizes_agree() {
        for (_, datatype, datum_type) in TABLE {
            if let Some(size) = datatype.byte_size() {
                assert_eq!(size, datum_type.size_of(), "{datatype}");
            }
        }
    }
}
