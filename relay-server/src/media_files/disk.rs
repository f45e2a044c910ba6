//! Free space of a file system, and the size of the files in a directory.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The deepest nesting of directories that is counted.
const DEPTH: usize = 8;

/// Returns the octets that this process may still write to the file system of a path.
pub(super) fn free_space(path: &Path) -> io::Result<u64> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut statistics = core::mem::MaybeUninit::<libc::statvfs>::uninit();
    #[expect(unsafe_code, reason = "the C library's function, for which std has no equivalent")]
    // SAFETY: the path is a C string, and the function writes the whole structure if it returns 0.
    let statistics = unsafe {
        if libc::statvfs(path.as_ptr(), statistics.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        statistics.assume_init()
    };
    Ok(statistics.f_bavail.saturating_mul(statistics.f_frsize))
}

/// Returns the size of all files below a directory. What cannot be read is not counted.
pub(super) fn size_of(directory: &Path) -> u64 {
    below(directory, DEPTH)
}

fn below(directory: &Path, depth: usize) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() && depth > 0 => below(&entry.path(), depth - 1),
        Ok(metadata) if metadata.is_file() => metadata.len(),
        _ => 0,
    });
    sizes.sum()
}
