//! The Rust types that are elements of tensors.

/// A type whose values are elements of tensors with the datatype [`Element::DATATYPE`].
pub trait Element: Copy {
    /// The datatype's name on the wire.
    const DATATYPE: &'static str;
    /// Bytes of one element.
    const BYTE_SIZE: usize;

    /// Appends the value, little-endian.
    fn write(self, data: &mut Vec<u8>);

    /// The value of [`Element::BYTE_SIZE`] bytes; `None` if there are fewer or more.
    fn read(bytes: &[u8]) -> Option<Self>;
}

macro_rules! elements {
    ($($type:ty: $datatype:literal),*) => {$(
        impl Element for $type {
            const DATATYPE: &'static str = $datatype;
            const BYTE_SIZE: usize = size_of::<$type>();

            fn write(self, data: &mut Vec<u8>) {
                data.extend_from_slice(&self.to_le_bytes());
            }

            fn read(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self::from_le_bytes)
            }
        }
    )*};
}

elements!(
    u8: "UINT8", u16: "UINT16", u32: "UINT32", u64: "UINT64",
    i8: "INT8", i16: "INT16", i32: "INT32", i64: "INT64",
    f32: "FP32", f64: "FP64"
);

impl Element for bool {
    const DATATYPE: &'static str = "BOOL";
    const BYTE_SIZE: usize = 1;

    fn write(self, data: &mut Vec<u8>) {
        data.push(u8::from(self));
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        <[u8; 1]>::try_from(bytes).ok().map(|[byte]| byte != 0)
    }
}
