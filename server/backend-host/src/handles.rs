//! Objects behind the opaque handles of the C API, and the arguments of host functions.
//!
//! Every object starts with a tag of its kind, so that a null, foreign, dead or mistaken handle
//! becomes an error object wherever that can be told. The argument types are what an
//! `unsafe extern "C"` function takes in place of bare pointers: a value of such a type comes from a
//! caller of the C API, who promises that it is null or what the header says. That promise is made
//! once, where the function is called; so the methods here are safe.

use crate::message::ErrorObject;
use hippocamp_backend_abi::TRITONSERVER_Error;
use hippocamp_types::Error;
use std::{
    any::Any,
    ffi::{CStr, CString, c_char},
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr, slice,
    sync::atomic::{AtomicU64, Ordering},
};

/// What stands behind one kind of handle.
pub(crate) trait Object {
    /// The handle's type in the header.
    type Opaque;
    /// Different for each kind.
    const TAG: u64;
    /// For error texts.
    const NAME: &'static str;
}

/// Tag of an object that was freed, or is about to be.
const DEAD: u64 = 0;

/// An object with its tag in front.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Handle<T: Object> {
    tag: AtomicU64,
    value: T,
}

impl<T: Object> Handle<T> {
    /// An object that its maker keeps.
    pub(crate) fn new(value: T) -> Self {
        Self { tag: AtomicU64::new(T::TAG), value }
    }

    /// An object that the caller of the C API owns; [`Arg::take`] takes it back.
    pub(crate) fn give(value: T) -> *mut T::Opaque {
        Box::into_raw(Box::new(Self::new(value))).cast()
    }

    /// The handle, valid as long as the object.
    pub(crate) fn as_raw(&self) -> *mut T::Opaque {
        ptr::from_ref(self).cast_mut().cast()
    }
}

impl<T: Object> Deref for Handle<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Object> DerefMut for Handle<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Object> Drop for Handle<T> {
    fn drop(&mut self) {
        self.tag.store(DEAD, Ordering::Release);
    }
}

/// A handle from a caller of the C API: null, or one that the host gave out and that is live.
#[repr(transparent)]
pub(crate) struct Arg<T: Object>(*mut T::Opaque);

impl<T: Object> Arg<T> {
    /// A handle that did not come as an argument, such as one returned by a backend's function.
    pub(crate) fn new(raw: *mut T::Opaque) -> Self {
        Self(raw)
    }

    /// Whether there is no handle at all.
    pub(crate) fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// The object.
    pub(crate) fn get(&self) -> Result<&T, Error> {
        self.handle().map(|handle| &handle.value)
    }

    /// The object, given back to the host; it is dropped with the result.
    pub(crate) fn take(self) -> Result<Box<Handle<T>>, Error> {
        let handle = self.handle()?;
        // Of two callers that free one object, one finds it dead.
        handle
            .tag
            .compare_exchange(T::TAG, DEAD, Ordering::AcqRel, Ordering::Acquire)
            .map_err(|_freed| not_a::<T>())?;
        // SAFETY: the tag says that `Handle::give` made it from a box, and the exchange that
        // nobody took it before.
        Ok(unsafe { Box::from_raw(self.0.cast::<Handle<T>>()) })
    }

    /// The object with its tag.
    pub(crate) fn handle(&self) -> Result<&Handle<T>, Error> {
        let handle = self.0.cast::<Handle<T>>();
        if handle.is_null() {
            return Err(Error::invalid(format!("{} was nullptr", T::NAME)));
        }
        if !handle.is_aligned() {
            return Err(not_a::<T>());
        }
        // SAFETY: the caller of the C API promises a live handle of the host, all of which begin
        // with a tag; that it is one of this kind is checked next.
        let tag = unsafe { &*handle.cast::<AtomicU64>() };
        if tag.load(Ordering::Acquire) != T::TAG {
            return Err(not_a::<T>());
        }
        // SAFETY: the tag says that it is a `Handle<T>`; the caller promises that it stays live.
        Ok(unsafe { &*handle })
    }
}

fn not_a<T: Object>() -> Error {
    Error::invalid(format!(
        "{} is no live object of this server: it was freed or is of another kind",
        T::NAME
    ))
}

/// A place for a result: null, or valid to write to.
#[repr(transparent)]
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Writes the result.
    pub(crate) fn set(&self, value: T) -> Result<(), Error> {
        if self.0.is_null() {
            return Err(Error::invalid("the place for a result was nullptr"));
        }
        self.set_if_any(value);
        Ok(())
    }

    /// Writes the result, if the caller wants it.
    pub(crate) fn set_if_any(&self, value: T) {
        if !self.0.is_null() {
            // SAFETY: the caller of the C API promises that a place is valid to write to; nothing
            // that was there before needs dropping, `T` is a plain value of C.
            unsafe { self.0.write(value) };
        }
    }
}

/// A C string: null, or valid for the call.
#[repr(transparent)]
pub(crate) struct Text(*const c_char);

impl Text {
    /// Whether there is no string at all.
    pub(crate) fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// The string; bytes that are no UTF-8 are replaced.
    pub(crate) fn get(&self) -> Result<String, Error> {
        if self.0.is_null() {
            return Err(Error::invalid("a text was nullptr"));
        }
        // SAFETY: the caller of the C API promises a C string.
        Ok(unsafe { CStr::from_ptr(self.0) }.to_string_lossy().into_owned())
    }

    /// The string, empty if there is none.
    pub(crate) fn or_empty(&self) -> String {
        self.get().unwrap_or_default()
    }
}

/// An array's start: null, or valid for as many values as another argument says.
#[repr(transparent)]
pub(crate) struct Array<T>(*const T);

impl<T: Copy> Array<T> {
    /// A copy of `length` values.
    pub(crate) fn copy(&self, length: usize) -> Result<Vec<T>, Error> {
        if length == 0 {
            return Ok(Vec::new());
        }
        if self.0.is_null() || !self.0.is_aligned() {
            return Err(Error::invalid("an array was nullptr or not aligned"));
        }
        // SAFETY: the caller of the C API promises `length` values.
        Ok(unsafe { slice::from_raw_parts(self.0, length) }.to_vec())
    }
}

/// The body of a host function: errors and panics leave as error objects, which the caller owns.
pub(crate) fn guard(body: impl FnOnce() -> Result<(), Error>) -> *mut TRITONSERVER_Error {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => ptr::null_mut(),
        Ok(Err(error)) => ErrorObject::give(&error),
        Err(panic) => {
            let error = Error::internal(format!("the server panicked: {}", panic_text(&*panic)));
            tracing::error!("{error}");
            ErrorObject::give(&error)
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// `text` for C; it ends at a NUL inside, as every C string does.
pub(crate) fn c_string(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    CString::new(text).expect("no NUL is left in the text")
}

/// A tag of eight letters.
pub(crate) const fn tag(letters: &[u8; 8]) -> u64 {
    u64::from_be_bytes(*letters)
}
