//! Rust types that tensor elements may be viewed as, without copying where alignment allows.

use crate::DataType;
use std::borrow::Cow;

mod sealed {
    pub trait Sealed {}
}

/// A number type that tensor data may be read as. Any bit pattern is a value of it, and it has no
/// padding: that is why the trait is sealed, and why there is no `bool` among them (read BOOL as
/// `u8`, FP16 and BF16 as `u16`).
pub trait Element: Copy + sealed::Sealed + 'static {
    /// Datatypes whose elements have this layout.
    const DATATYPES: &'static [DataType];

    /// The number in these little-endian bytes, as many as the type has.
    #[doc(hidden)]
    fn from_le(bytes: &[u8]) -> Self;
}

macro_rules! elements {
    ($($type:ty: $($datatype:ident),+;)*) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DATATYPES: &'static [DataType] = &[$(DataType::$datatype),+];

            fn from_le(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("chunks have the size of the type"))
            }
        }
    )*};
}

elements! {
    u8: Uint8, Bool;
    u16: Uint16, Fp16, Bf16;
    u32: Uint32;
    u64: Uint64;
    i8: Int8;
    i16: Int16;
    i32: Int32;
    i64: Int64;
    f32: Fp32;
    f64: Fp64;
}

/// The bytes of `values`, to write them to an output.
pub fn as_bytes<T: Element>(values: &[T]) -> &[u8] {
    // SAFETY: an `Element` has no padding, every byte of the slice is initialised; the length is
    // that of the slice, and bytes have no alignment.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// `data` as values: borrowed if it is aligned for `T`, copied if not.
/// `None` if the length is no multiple of the element's size.
pub(crate) fn cast<T: Element>(data: &[u8]) -> Option<Cow<'_, [T]>> {
    if !data.len().is_multiple_of(size_of::<T>()) {
        return None;
    }
    // SAFETY: every bit pattern is a value of an `Element`.
    let (before, values, after) = unsafe { data.align_to::<T>() };
    if before.is_empty() && after.is_empty() {
        return Some(Cow::Borrowed(values));
    }
    Some(Cow::Owned(data.chunks_exact(size_of::<T>()).map(T::from_le).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligned_data_is_borrowed_and_other_data_copied() {
        let values = [1.0_f32, -2.5, 3.25];
        let mut padded = vec![0_u8];
        padded.extend_from_slice(as_bytes(&values));
        let aligned = cast::<f32>(as_bytes(&values)).unwrap();
        assert!(matches!(aligned, Cow::Borrowed(_)));
        assert_eq!(*aligned, values);

        // One of two neighbouring addresses is not aligned for f32.
        let odd = [&padded[1..], &[&[0, 0], as_bytes(&values)].concat()[2..]]
            .into_iter()
            .map(|data| cast::<f32>(data).unwrap().into_owned())
            .collect::<Vec<_>>();
        assert_eq!(odd, [values, values]);
        assert!(cast::<f32>(&padded).is_none());
        assert_eq!(cast::<u64>(&[]).unwrap().len(), 0);
    }
}
